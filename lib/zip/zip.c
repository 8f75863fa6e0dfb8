/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "zip/zip.h"

bool
zip_room_create(struct zip_room *room, size_t in, size_t out)
{
	room->in = buffer_create(in);
	room->out = buffer_create(out);
	room->codec = codec_create();
	if (room->in != NULL && room->out != NULL && room->codec != NULL)
		return true;
	errno = ENOMEM;
	return false;
}

void
zip_room_destroy(struct zip_room *room)
{
	free(room->in);
	free(room->out);
	codec_destroy(room->codec);
}

bool
zip_run(struct zip *zip, const struct pool_ops *ops, void *engine, void *jobs, size_t job_size,
    const struct error *stopped, struct error *error)
{
	void *list[ZIP_JOBS];

	for (unsigned i = 0; i < pool_jobs(zip->threads); i++)
		list[i] = (char *)jobs + i * job_size;
	if (pool_run(ops, engine, list, pool_jobs(zip->threads), zip->threads))
		return true;
	if (stopped->set)
		*error = *stopped;
	else
		error_errno(error, "%u threads", zip->threads);
	return false;
}
