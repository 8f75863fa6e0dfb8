/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "device/partition.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_BLKID
#include <blkid.h>
#endif

#include "base/size.h"

bool
partition_parse(const char *value, unsigned *number, struct error *error)
{
	uint64_t parsed;

	if (!number_parse(value, 1, 1024, &parsed))
		return error_set(error, "--partition %s: not a number from 1 to 1024", value);
	*number = (unsigned)parsed;
	return true;
}

#ifndef HAVE_BLKID

bool
partition_narrow(const char *path, unsigned number, uint64_t *offset, uint64_t *length,
    struct error *error)
{
	(void)path, (void)offset, (void)length;
	return number == 0 || error_set(error, "--partition: this program was built without libblkid; "
	    "-o and -l name the bytes, which sfdisk -l shows");
}

#else

/* The library counts in these, independent of the disk's sectors. */
#define UNIT	512

/* Where a GPT with its entries is, and an MBR without its logical partitions. */
#define HEAD	32768

struct disk {
	const char *name;
	int fd;
	uint64_t size;
	unsigned sector;	/* of a device; 0: of an image, not known */
};

static bool open_disk(struct disk *, const char *, struct error *);
static bool measure(struct disk *, struct error *);
static bool read_head(const struct disk *, struct error *);
static bool find(const struct disk *, blkid_probe *, unsigned, uint64_t *, uint64_t *, struct error *);
static blkid_partlist load_table(const struct disk *, blkid_probe *, unsigned);
static bool take(const struct disk *, blkid_partlist, unsigned, uint64_t *, uint64_t *,
    struct error *);

bool
partition_narrow(const char *path, unsigned number, uint64_t *offset, uint64_t *length,
    struct error *error)
{
	uint64_t start = 0, size = 0;
	struct disk disk;
	blkid_probe probe = NULL;
	bool found;

	if (number == 0)
		return true;
	if (!open_disk(&disk, path, error))
		return false;
	found = find(&disk, &probe, number, &start, &size, error);
	blkid_free_probe(probe);
	close(disk.fd);
	if (!found)
		return false;
	if (*offset > size)
		return error_set(error, "%s: partition %u has %ju bytes, and does not reach byte %ju of it",
		    path, number, (uintmax_t)size, (uintmax_t)*offset);
	if (*length == UINT64_MAX)
		*length = size - *offset;
	if (*length > size - *offset)
		return error_set(error, "%s: partition %u ends %ju bytes behind byte %ju of it, before the %ju of -l",
		    path, number, (uintmax_t)(size - *offset), (uintmax_t)*offset, (uintmax_t)*length);
	*offset += start;
	return true;
}

static bool
open_disk(struct disk *disk, const char *path, struct error *error)
{
	*disk = (struct disk){ .name = path };
	if (strcmp(path, "-") == 0)
		return error_set(error, "--partition: a pipe has no partition table: name a disk or an image");
	disk->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (disk->fd == -1)
		return error_errno(error, "%s", path);
	if (measure(disk, error) && read_head(disk, error))
		return true;
	close(disk->fd);
	return false;
}

static bool
measure(struct disk *disk, struct error *error)
{
	struct stat status;
	int sector;

	if (fstat(disk->fd, &status) == -1)
		return error_errno(error, "%s", disk->name);
	if (S_ISREG(status.st_mode)) {
		disk->size = (uint64_t)status.st_size;
		return true;
	}
	if (!S_ISBLK(status.st_mode))
		return error_set(error, "%s: only a disk or a regular file has partitions", disk->name);
	if (ioctl(disk->fd, BLKGETSIZE64, &disk->size) == -1 ||
	    ioctl(disk->fd, BLKSSZGET, &sector) == -1)
		return error_errno(error, "%s", disk->name);
	disk->sector = (unsigned)sector;
	return true;
}

/* The library takes what it cannot read for something without a table. */
static bool
read_head(const struct disk *disk, struct error *error)
{
	unsigned char head[HEAD];
	size_t done = 0;
	ssize_t got;

	while (done < sizeof(head)) {
		got = pread(disk->fd, head + done, sizeof(head) - done, (off_t)done);
		if (got == 0)
			break;
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return error_errno(error, "%s: its partition table cannot be read: at byte %zu",
			    disk->name, done);
		done += (size_t)got;
	}
	return true;
}

static bool
find(const struct disk *disk, blkid_probe *probe, unsigned number, uint64_t *start, uint64_t *size,
    struct error *error)
{
	blkid_partlist table;

	errno = 0;
	if (disk->sector != 0) {
		table = load_table(disk, probe, disk->sector);
	} else {
		table = load_table(disk, probe, 512);
		if (table == NULL)
			table = load_table(disk, probe, 4096);
	}
	if (table == NULL && errno == EIO)
		return error_errno(error, "%s: its partition table cannot be read", disk->name);
	if (table == NULL)
		return error_set(error, "%s: no partition table is found; sfdisk -l says what is there, "
		    "-o and -l name bytes without one", disk->name);
	return take(disk, table, number, start, size, error);
}

/* NULL: there is none for sectors of this size.  A probe keeps what it has read: each try has its own. */
static blkid_partlist
load_table(const struct disk *disk, blkid_probe *own, unsigned sector)
{
	blkid_probe probe = blkid_new_probe();
	blkid_partlist list;

	blkid_free_probe(*own);
	*own = probe;
	if (probe == NULL || blkid_probe_set_device(probe, disk->fd, 0, 0) == -1 ||
	    blkid_probe_set_sectorsize(probe, sector) == -1 ||
	    blkid_probe_enable_partitions(probe, 1) == -1)
		return NULL;
	list = blkid_probe_get_partitions(probe);
	/* A list without a table is what it gives for a disk that has none. */
	return list != NULL && blkid_partlist_get_table(list) != NULL ? list : NULL;
}

static bool
take(const struct disk *disk, blkid_partlist table, unsigned number, uint64_t *start, uint64_t *size,
    struct error *error)
{
	blkid_partition partition = blkid_partlist_get_partition_by_partno(table, (int)number);
	uint64_t units = disk->size / UNIT;
	blkid_loff_t first, count;

	if (partition == NULL)
		return error_set(error, "%s: its table (%s) has no partition %u; it has %d in all, which "
		    "sfdisk -l lists", disk->name,
		    blkid_parttable_get_type(blkid_partlist_get_table(table)), number,
		    blkid_partlist_numof_partitions(table));
	if (blkid_partition_is_extended(partition))
		return error_set(error, "%s: partition %u is an extended one, which only holds others: "
		    "their numbers begin with 5", disk->name, number);
	first = blkid_partition_get_start(partition);
	count = blkid_partition_get_size(partition);
	if (first < 0 || count <= 0 || (uint64_t)first > units || (uint64_t)count > units - (uint64_t)first)
		return error_set(error, "%s: partition %u, %jd bytes at byte %jd, reaches beyond the end at "
		    "byte %ju", disk->name, number, (intmax_t)count * UNIT, (intmax_t)first * UNIT,
		    (uintmax_t)disk->size);
	*start = (uint64_t)first * UNIT;
	*size = (uint64_t)count * UNIT;
	return true;
}

#endif
