/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "write/mapfile.h"

static bool
begin(struct mapfile *file, int fd, uint64_t size, const char *of, struct error *error)
{
	file->begun = piecemap_begin(&file->map, fd, size, BLK128_BLOCK, STREAM_XXH3_128, of);
	if (file->begun)
		return true;
	if (errno == ESPIPE)
		return error_set(error, "%s: a map begins with the size, which this input only tells at its "
		    "end: name a file", file->name);
	return error_errno(error, "%s", file->name);
}

bool
mapfile_create(struct mapfile *file, const char *path, uint64_t size, const char *of, bool sync,
    struct error *error)
{
	int fd;

	memset(file, 0, sizeof(*file));
	file->name = path;
	if (strcmp(path, "-") == 0) {
		file->name = "standard output";
		return begin(file, STDOUT_FILENO, size, of, error);
	}
	file->sync = sync;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return error_errno(error, "%s", path);
	atomic_store(&file->created, true);
	if (begin(file, fd, size, of, error) && (!sync || io_flush_folder(path) ||
	    error_errno(error, "%s", path)))
		return true;
	mapfile_remove(file);
	close(fd);
	file->begun = false;
	return false;
}

void
mapfile_put(struct mapfile *file, const struct piece *piece)
{
	if (!file->error.set && !piecemap_put(&file->map, piece))
		error_errno(&file->error, "%s", file->name);
}

bool
mapfile_finish(struct mapfile *file, const struct intake *intake, struct error *error)
{
	int fd = file->map.writer.stream.fd;

	if (!file->error.set && (!piecemap_end(&file->map, intake) ||
	    (file->sync && fsync(fd) == -1) || close(fd) == -1))
		error_errno(&file->error, "%s", file->name);
	if (!file->error.set) {
		atomic_store(&file->created, false);
		return true;
	}
	mapfile_remove(file);
	return error_set(error, "%s: the image was written, but there is no map of it", file->error.text);
}

void
mapfile_remove(struct mapfile *file)
{
	if (atomic_exchange(&file->created, false))
		(void)unlink(file->name);
}

void
mapfile_abort(struct mapfile *file, const char *why)
{
	if (file->begun && !file->error.set)
		(void)stream_put_abort(&file->map.writer.stream, why);
}
