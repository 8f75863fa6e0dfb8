/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scribble [-a align] [-f file] [-n runs] [-p pause] [-s sectors] [-x seed] device: random
 * writes past the page cache, the same for the same seed.
 *
 * A run is 1 to -s sectors of noise, or of what the file holds at the same place, which is a
 * multiple of -a sectors; there are -n of them, 0 for no end, with -p milliseconds in between.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR	512u

static uint64_t state;

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t
noise(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int
main(int argc, char **argv)
{
	uint64_t align = 1, runs = 100, pause = 0, sectors = 8, run, i, word, size;
	unsigned char *buffer;
	int option, fd, source = -1;
	off_t end;

	state = 1;
	while ((option = getopt(argc, argv, "a:f:n:p:s:x:")) != -1)
		switch (option) {
		case 'a': align = strtoull(optarg, NULL, 10); break;
		case 'f':
			source = open(optarg, O_RDONLY | O_CLOEXEC);
			if (source == -1)
				err(2, "%s", optarg);
			break;
		case 'n': runs = strtoull(optarg, NULL, 10); break;
		case 'p': pause = strtoull(optarg, NULL, 10); break;
		case 's': sectors = strtoull(optarg, NULL, 10); break;
		case 'x': state = strtoull(optarg, NULL, 10); break;
		default: errx(2, "usage: scribble [-a align] [-f file] [-n runs] [-p pause] [-s sectors] "
			    "[-x seed] device");
		}
	if (optind != argc - 1 || align == 0 || sectors == 0)
		errx(2, "one device, please");
	fd = open(argv[optind], O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd == -1 || (end = lseek(fd, 0, SEEK_END)) == -1)
		err(2, "%s", argv[optind]);
	size = (uint64_t)end;
	if (sectors > size / SECTOR || posix_memalign((void **)&buffer, 4096, sectors * SECTOR) != 0)
		errx(2, "%s: too small", argv[optind]);
	for (run = 0; runs == 0 || run < runs; run++) {
		size_t length = (size_t)((1 + noise() % sectors) * SECTOR);
		off_t start = (off_t)(noise() % ((size - length) / (align * SECTOR) + 1) * align * SECTOR);

		for (i = 0; source == -1 && i < length; i += sizeof(word)) {
			word = noise();
			memcpy(buffer + i, &word, sizeof(word));
		}
		if ((source != -1 && pread(source, buffer, length, start) != (ssize_t)length) ||
		    pwrite(fd, buffer, length, start) != (ssize_t)length)
			err(2, "%s: at byte %jd", argv[optind], (intmax_t)start);
		usleep((useconds_t)(pause * 1000));
	}
	return 0;
}
