/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay: give files, or all files of folders, to a fuzzer once, without libFuzzer: so a
 * corpus is a test that any compiler builds.  A finding ends it by a signal.
 */
#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

static unsigned long files;

/* libFuzzer's, which the mutators call. */
size_t
LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity)
{
	(void)data;
	(void)capacity;
	return size;
}

static void
replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size > 0 ? size : 1);

	if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
		err(2, "%s", path);
	fclose(file);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	files++;
}

static void
replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	struct stat status;
	char name[4096];

	if (folder == NULL)
		err(2, "%s", path);
	while ((entry = readdir(folder)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (stat(name, &status) != 0)
			err(2, "%s", name);
		if (S_ISREG(status.st_mode))
			replay_file(name, (size_t)status.st_size);
	}
	closedir(folder);
}

int
main(int argc, char **argv)
{
	struct stat status;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &status) != 0)
			err(2, "%s", argv[i]);
		if (S_ISDIR(status.st_mode))
			replay_folder(argv[i]);
		else
			replay_file(argv[i], (size_t)status.st_size);
	}
	printf("%lu files\n", files);
	return files > 0 ? 0 : 2;
}
