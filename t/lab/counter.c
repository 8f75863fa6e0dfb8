/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counter device: count there as the machine of bootvm.S does, which can go on from it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define SECTOR		512
#define LAST		64	/* the sector of the last count */
#define START		65	/* the sector of the count that it started from */
#define SLOTS		1024
#define FIRST_SLOT	128	/* its sector; the next one is eight further */

static uint32_t *sector;

static void
put(int device, uint32_t count, unsigned at)
{
	for (unsigned i = 0; i < SECTOR / sizeof(*sector); i++)
		sector[i] = count;
	if (pwrite(device, sector, SECTOR, (off_t)at * SECTOR) != SECTOR)
		err(1, "sector %u", at);
}

int
main(int argc, char **argv)
{
	uint32_t count;
	int device;

	if (argc != 2)
		errx(1, "usage: counter device");
	device = open(argv[1], O_RDWR | O_DIRECT | O_SYNC);
	if (device == -1 || posix_memalign((void **)&sector, 4096, SECTOR) != 0 ||
	    pread(device, sector, SECTOR, LAST * SECTOR) != SECTOR)
		err(1, "%s", argv[1]);
	count = sector[0];
	put(device, count, START);
	for (;;) {
		count++;
		put(device, count, FIRST_SLOT + count % SLOTS * 8);
		put(device, count, LAST);
		usleep(55000);
	}
}
