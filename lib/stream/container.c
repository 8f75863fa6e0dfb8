/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/io.h"
#include "stream/container.h"
#include "stream/header.h"

/* What O_DIRECT reads. */
#define PAGE	4096

#define MAGIC(text)	text, sizeof(text) - 1

#define CONVERT	"qemu-img convert -O raw"

static const struct container containers[] = {
	{ "a block stream", NULL, true, false, 0, MAGIC(STREAM_MAGIC) },
	{ "a qcow2 image", CONVERT, false, true, 0, MAGIC("QFI\xfb") },
	{ "a QED image", CONVERT, false, true, 0, MAGIC("QED\0") },
	{ "a VMDK image", CONVERT, false, true, 0, MAGIC("KDMV") },
	{ "a VMDK image", CONVERT, false, true, 0, MAGIC("COWD") },
	{ "the description of a VMDK image", CONVERT, false, true, 0, MAGIC("# Disk DescriptorFile") },
	{ "a VHDX image", CONVERT, false, true, 0, MAGIC("vhdxfile") },
	{ "a VHD image", CONVERT, false, true, 0, MAGIC("conectix") },
	{ "a VDI image", CONVERT, false, true, 64, MAGIC("\x7f\x10\xda\xbe") },
	{ "gzip", "gzip -dc", false, false, 0, MAGIC("\x1f\x8b") },
	{ "old gzip", "gzip -dc", false, false, 0, MAGIC("\x1f\x9e") },
	{ "the output of compress", "gzip -dc", false, false, 0, MAGIC("\x1f\x9d") },
	{ "xz", "xz -dc", false, false, 0, MAGIC("\xfd" "7zXZ\0") },
	{ "zstd", "zstd -dc", false, false, 0, MAGIC("\x28\xb5\x2f\xfd") },
	{ "lz4", "lz4 -dc", false, false, 0, MAGIC("\x04\x22\x4d\x18") },
	{ "bzip2", "bzip2 -dc", false, false, 0, MAGIC("BZh") },
};

const struct container *
container_find(const void *bytes, size_t length)
{
	const unsigned char *data = bytes;
	size_t i;

	for (i = 0; i < sizeof(containers) / sizeof(*containers); i++) {
		const struct container *container = &containers[i];

		if (length >= container->at + container->length &&
		    memcmp(data + container->at, container->magic, container->length) == 0)
			return container;
	}
	return NULL;
}

const struct container *
container_of(int fd)
{
	const struct container *container = NULL;
	struct iovec vector = { .iov_len = PAGE };
	struct stat status;
	ssize_t n;

	if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode))
		return NULL;
	vector.iov_base = buffer_create(PAGE);
	if (vector.iov_base == NULL)
		return NULL;
	n = preadv(fd, &vector, 1, 0);
	if (n > 0)
		container = container_find(vector.iov_base, (size_t)n);
	free(vector.iov_base);
	return container;
}
