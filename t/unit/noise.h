/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * noise: numbers that repeat, and small devices that differ here and there, for tests
 * that compare with a simple model.
 */
#ifndef NOISE_H
#define NOISE_H

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "device/source.h"

static uint64_t noise_state = 1;

/* From 0 to below - 1. */
__attribute__((unused)) static uint64_t
noise(uint64_t below)
{
	uint64_t z = noise_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

/* Overwrite some places: with bytes, with zeros, a single byte. */
__attribute__((unused)) static void
noise_scribble(unsigned char *device, uint64_t size, unsigned times)
{
	static const uint64_t lengths[] = { 1, 100, 4096, 8192, 20000, 65536 };

	while (size > 0 && times-- > 0) {
		uint64_t at = noise(size), length = lengths[noise(6)];

		length = length < size - at ? length : size - at;
		memset(device + at, noise(3) == 0 ? 0 : (int)noise(256), length);
	}
}

/* A source over these bytes, whose zero pages are holes.  Close it with source_close. */
__attribute__((unused)) static void
noise_source(struct source *source, const unsigned char *device, uint64_t size, const char *name)
{
	struct error error = { 0 };
	int fd = memfd_create(name, MFD_CLOEXEC);
	static const unsigned char zeros[4096];
	char path[64];
	uint64_t at, page;

	if (fd == -1 || ftruncate(fd, (off_t)size) != 0)
		err(2, "memfd");
	for (at = 0; at < size; at += page) {
		page = size - at < sizeof(zeros) ? size - at : sizeof(zeros);
		if (memcmp(device + at, zeros, page) != 0 &&
		    pwrite(fd, device + at, page, (off_t)at) != (ssize_t)page)
			err(2, "memfd");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!source_open(source, path, SOURCE_DIRECT_AUTO, false, &error))
		errx(2, "%s", error.text);
	source->name = name;
	close(fd);
}

#endif
