/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bytes.h"
#include "device/dm.h"
#include "device/identity.h"
#include "device/stack.h"
#include "hash/xxh.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE	36

/* Loop devices may stand on each other; no stack of a working host is as high. */
#define HEIGHT_MAX	32

static bool
boot_id(char id[BOOT_ID_SIZE])
{
	FILE *file = fopen(BOOT_ID, "re");
	bool got = file != NULL && fread(id, BOOT_ID_SIZE, 1, file) == 1;

	if (file != NULL)
		fclose(file);
	return got;
}

uint64_t
identity_now(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_BOOTTIME, &now) == 0 ? (uint64_t)now.tv_sec : 0;
}

/* Go down to the disk or file that holds the bytes, as long as they lie there in one piece. */
static void
identity_descend(struct stat *status, uint64_t *offset)
{
	uint64_t start, length;
	dev_t disk;
	int i;

	for (i = 0; i < HEIGHT_MAX && S_ISBLK(status->st_mode); i++) {
		struct stat below;

		if (stack_partition(status->st_rdev, &disk, &start) ||
		    dm_below(status->st_rdev, &disk, &start, &length))
			status->st_rdev = disk;
		else if (stack_loop(status->st_rdev, &below, &start, NULL, 0))
			*status = below;
		else
			return;
		*offset += start;
	}
}

void
identity_find(struct identity *identity, int fd, uint64_t offset)
{
	unsigned char text[BOOT_ID_SIZE + 1 + 8 + 8] = { 0 };
	XXH128_canonical_t hash;
	struct stat status;

	memset(identity, 0, sizeof(*identity));
	if (fstat(fd, &status) == -1 || (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode)) ||
	    !boot_id((char *)text))
		return;
	identity_descend(&status, &offset);
	if (S_ISBLK(status.st_mode)) {
		text[BOOT_ID_SIZE] = 'b';
		store64(text + BOOT_ID_SIZE + 1, status.st_rdev);
	} else {
		text[BOOT_ID_SIZE] = 'f';
		store64(text + BOOT_ID_SIZE + 1, status.st_dev);
		store64(text + BOOT_ID_SIZE + 9, status.st_ino);
	}
	XXH128_canonicalFromHash(&hash, XXH3_128bits(text, sizeof(text)));
	memcpy(identity->disk, hash.digest, IDENTITY_SIZE);
	identity->offset = offset;
	identity->began = identity_now() / IDENTITY_STEP * IDENTITY_STEP;
	identity->known = true;
}

bool
identity_same_disk(const struct identity *a, const struct identity *b)
{
	return a->known && b->known && memcmp(a->disk, b->disk, IDENTITY_SIZE) == 0;
}

bool
identity_overlaps(const struct identity *a, uint64_t a_length, const struct identity *b,
    uint64_t b_length)
{
	return identity_same_disk(a, b) && (a->offset >= b->offset ?
	    a->offset - b->offset < b_length : b->offset - a->offset < a_length);
}
