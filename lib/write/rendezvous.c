/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "write/rendezvous.h"

#define FOLDER	"blk-lanes"

/* A process of our own user that connects sends its message at once. */
#define MESSAGE_PATIENCE	5	/* seconds */

/* Make the folder, or find it, and be sure that it is ours alone. */
static bool
folder_is_ours(const char *path, struct error *error)
{
	struct stat status;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return error_errno(error, "%s", path);
	if (lstat(path, &status) == -1)
		return error_errno(error, "%s", path);
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return error_set(error, "%s: not a folder of this user alone (mode 0700)", path);
	return true;
}

static bool
socket_address(const unsigned char *id, struct sockaddr_un *address, struct error *error)
{
	char folder[64], run[32], hex[2 * STREAM_ID_SIZE + 1];
	uid_t user = geteuid();
	int i;

	snprintf(run, sizeof(run), "/run/user/%u", user);
	if (user == 0 && access("/run", W_OK) == 0)
		snprintf(folder, sizeof(folder), "/run/" FOLDER);
	else if (access(run, W_OK) == 0)
		snprintf(folder, sizeof(folder), "%s/" FOLDER, run);
	else
		snprintf(folder, sizeof(folder), "/tmp/" FOLDER "-%u", user);
	if (!folder_is_ours(folder, error))
		return false;
	for (i = 0; i < STREAM_ID_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", folder, hex);
	return true;
}

static int
new_socket(struct error *error)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		error_errno(error, "socket");
	return fd;
}

static bool
try_connect(int fd, const struct sockaddr_un *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

/* A socket that nobody listens on was left behind by a process that was killed. */
static bool
remove_stale(const struct sockaddr_un *address, struct error *error)
{
	int fd = new_socket(error);
	bool stale;

	if (fd == -1)
		return false;
	stale = !try_connect(fd, address) && errno == ECONNREFUSED;
	close(fd);
	if (stale && unlink(address->sun_path) == 0)
		return true;
	return error_set(error, "%s: another blkwrite gathers lanes of a stream with this id",
	    address->sun_path);
}

int
rendezvous_listen(const unsigned char id[STREAM_ID_SIZE], char *path, size_t size, struct error *error)
{
	struct sockaddr_un address = { 0 };
	int fd, tries;

	if (!socket_address(id, &address, error))
		return -1;
	fd = new_socket(error);
	for (tries = 0; fd != -1 && tries < 2; tries++) {
		if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 64) == 0) {
			snprintf(path, size, "%s", address.sun_path);
			return fd;
		}
		if (errno != EADDRINUSE)
			error_errno(error, "%s", address.sun_path);
		else if (tries == 0 && remove_stale(&address, error))
			continue;
		close(fd);
		return -1;
	}
	return -1;
}

static int
milliseconds_until(double end)
{
	double left = end - clock_seconds();

	return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

static bool
peer_is_us(int peer)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.uid == geteuid();
}

/* Take the message: one descriptor, and at most INPUT_AHEAD bytes. */
static bool
receive(int peer, int *fd, struct input *input)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	unsigned char ahead[INPUT_AHEAD];
	struct iovec vector = { ahead, sizeof(ahead) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = sizeof(control) };
	struct timeval patience = { .tv_sec = MESSAGE_PATIENCE };
	struct cmsghdr *header;
	ssize_t n;

	(void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
	header = CMSG_FIRSTHDR(&message);
	if (n <= 0 || header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
		return false;
	memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	input_open(input, *fd, -1, "standard input");
	memcpy(input->ahead, ahead, (size_t)n);
	input->end = (size_t)n;
	return true;
}

int
rendezvous_accept(int listener, double end, int *fd, struct input *input)
{
	for (;;) {
		struct pollfd wait = { .fd = listener, .events = POLLIN };
		int n = poll(&wait, 1, milliseconds_until(end)), peer;

		if (n == 0 || (n == -1 && errno != EINTR))
			return -1;
		if (n == -1)
			continue;
		peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (peer != -1 && peer_is_us(peer) && receive(peer, fd, input))
			return peer;
		if (peer != -1)
			close(peer);
	}
}

static bool
hand_over(int leader, const struct input *input)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec vector = { (void *)(uintptr_t)(input->ahead + input->start),
	    input->end - input->start };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &input->fd, sizeof(int));
	return sendmsg(leader, &message, MSG_NOSIGNAL) == (ssize_t)vector.iov_len;
}

int
rendezvous_connect(const unsigned char id[STREAM_ID_SIZE], double end, const struct input *input,
    struct error *error)
{
	static const struct timespec step = { .tv_nsec = 20000000 };
	struct sockaddr_un address = { 0 };
	int fd;

	if (!socket_address(id, &address, error))
		return -1;
	fd = new_socket(error);
	while (fd != -1 && !try_connect(fd, &address)) {
		if (clock_seconds() > end) {
			error_set(error, "lane 1 of this stream, whose blkwrite writes the target, has not come here");
			close(fd);
			return -1;
		}
		nanosleep(&step, NULL);
	}
	if (fd != -1 && !hand_over(fd, input)) {
		error_errno(error, "%s", address.sun_path);
		close(fd);
		return -1;
	}
	return fd;
}
