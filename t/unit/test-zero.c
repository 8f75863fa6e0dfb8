/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "check.h"

/* The system calls of zero.c are answered here: an errno each, 0 for success. */
static struct answers {
	int punch, range, zeroout;
} answers;
static char calls[64];

static int
answer(const char *call, int number)
{
	strcat(strcat(calls, call), " ");
	errno = number;
	return number == 0 ? 0 : -1;
}

static int
fake_fallocate(int fd, int mode, off_t at, off_t length)
{
	CHECK(fd == 7 && at == 4096 && length == 8192 && (mode & FALLOC_FL_KEEP_SIZE) != 0);
	if ((mode & FALLOC_FL_PUNCH_HOLE) != 0)
		return answer("punch", answers.punch);
	CHECK((mode & FALLOC_FL_ZERO_RANGE) != 0);
	return answer("range", answers.range);
}

static int
fake_ioctl(int fd, unsigned long request, const uint64_t range[2])
{
	CHECK(fd == 7 && request == BLKZEROOUT && range[0] == 4096 && range[1] == 8192);
	return answer("zeroout", answers.zeroout);
}

#define fallocate	fake_fallocate
#define ioctl		fake_ioctl
#include "device/zero.c"
#undef fallocate
#undef ioctl

/* The first call of a row, then the second, which knows which methods failed before. */
static void
each_method_is_tried_until_one_works(void)
{
	static const struct {
		const char *name;
		bool device;
		struct answers answers;
		bool done;
		const char *first, *second;
	} cases[] = {
		{ "a file system that punches", false, { 0, EIO, EIO }, true, "punch ", "punch " },
		{ "one that zeroes ranges", false, { EOPNOTSUPP, 0, EIO }, true, "punch range ", "range " },
		{ "a file, neither", false, { EOPNOTSUPP, EOPNOTSUPP, 0 }, false, "punch range ", "" },
		{ "a device that punches", true, { 0, 0, 0 }, true, "punch ", "punch " },
		{ "a device without fallocate", true, { ENOSYS, ENOSYS, 0 }, true,
		    "punch range zeroout ", "zeroout " },
		{ "a device that knows nothing", true, { EOPNOTSUPP, EINVAL, ENOTTY }, false,
		    "punch range zeroout ", "" },
		{ "a failure is not remembered", true, { EIO, 0, 0 }, true, "punch range ", "punch range " },
		{ "nor three", true, { EIO, EIO, EIO }, false, "punch range zeroout ",
		    "punch range zeroout " },
		{ "no room", false, { EOPNOTSUPP, ENOSPC, 0 }, false, "punch range ", "range " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		atomic_int method = 0;

		check_case = cases[i].name;
		answers = cases[i].answers;
		calls[0] = '\0';
		CHECK(zero_range(7, cases[i].device, &method, 4096, 8192) == cases[i].done);
		CHECK_TEXT(calls, cases[i].first);
		calls[0] = '\0';
		CHECK(zero_range(7, cases[i].device, &method, 4096, 8192) == cases[i].done);
		CHECK_TEXT(calls, cases[i].second);
	}
	check_case = "";
}

int
main(void)
{
	each_method_is_tried_until_one_works();
	return check_done();
}
