/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "device/conflict.h"
#include "stream/container.h"
#include "stream/stream.h"
#include "write/incoming.h"
#include "write/opening.h"

void
incoming_open(struct incoming *incoming, const struct incoming_options *options,
    struct target *target, uint64_t started)
{
	incoming->options = options;
	incoming->target = target;
	incoming->started = started;
	incoming->holds = io_bytes_left(STDIN_FILENO);
	incoming->start = incoming->holds != UINT64_MAX ? lseek(STDIN_FILENO, 0, SEEK_CUR) : -1;
	input_open(&incoming->input, STDIN_FILENO, -1, "standard input");
	if (options->id != NULL)
		incoming->input.timeout = OPENING_SILENCE;
}

void
incoming_from_pipe(struct incoming *incoming)
{
	incoming->holds = UINT64_MAX;
	incoming->start = -1;
}

bool
incoming_is_wanted(const struct incoming *incoming, const unsigned char *theirs,
    struct error *error)
{
	return opening_has_id(incoming->options->id, theirs, error);
}

/* The input has begun, so whoever feeds it has locked what it reads: nobody reads the target? */
static bool
accept_origin(struct incoming *incoming, struct error *error)
{
	const struct incoming_options *options = incoming->options;
	const struct stream_header *header = &incoming->intake.reader.header;
	struct origin origin = { .started = incoming->started, .length = options->length };

	if (!options->raw) {
		origin.identity = header->identity;
		origin.length = header->size;
		origin.patch = header->kind != STREAM_IMAGE;
		/* An image that is all there; or nothing but END, which changes nothing. */
		origin.file = incoming->start != -1 && (!origin.patch ||
		    incoming->holds == header->length + RECORD_SIZE + RECORD_END_SIZE);
	}
	return conflict_free(incoming->target, &origin, options->force, &incoming->forced, error);
}

/* A file that holds disks for others is not what anybody wants to be overwritten by one. */
static bool
spare_container(const struct incoming *incoming, struct error *error)
{
	const struct target *target = incoming->target;
	const struct container *container;

	if (incoming->options->force || target->medium.fd == -1)
		return true;
	container = container_of(target->medium.fd);
	return container == NULL || error_set(error, "%s: holds %s, which the bytes of a disk would "
	    "overwrite; --force writes it anyway", target->name, container->name);
}

static bool
accept_image(struct incoming *incoming, uint64_t size, struct error *error)
{
	const struct incoming_options *options = incoming->options;

	if (options->undo != NULL)
		return error_set(error, "--undo applies to deltas only: an image replaces everything");
	if (!spare_container(incoming, error) || !target_may_replace(incoming->target, size, error))
		return false;
	if (!restore_create(&incoming->restore, &options->restore, &incoming->intake,
	    incoming->target, size, error))
		return false;
	incoming->writer = &incoming->restore.writer;
	return true;
}

/* Refuse options that a delta cannot satisfy. */
static bool
check_patch_options(const struct incoming *incoming, struct error *error)
{
	const struct incoming_options *options = incoming->options;

	if (options->restore.map != NULL)
		return error_set(error, "--map applies to images only: a delta has only a part of what is on its "
		    "target; blksum --map makes the map");
	if (options->restore.zeroed || options->restore.discard)
		return error_set(error, "--zeroed and --discard apply to images only: a delta needs the old content");
	if (options->undo != NULL && !options->restore.writer.sync)
		return error_set(error, "--undo needs flushes, so not --no-sync: the log must be on the medium first");
	if (options->undo != NULL && incoming->intake.reader.header.kind == STREAM_UNDO)
		return error_set(error, "--undo applies to deltas only, not to an undo log");
	return true;
}

/* Where the input can be read twice, everything is checked before anything is written. */
static bool
accept_patch(struct incoming *incoming, struct error *error)
{
	const struct incoming_options *options = incoming->options;
	struct patch *patch = &incoming->patch;
	struct patch_options how = {
		.writer = options->restore.writer, .force = options->force, .undo = options->undo,
		.once = incoming->start == -1, .cut_at = UINT64_MAX
	};

	if (!check_patch_options(incoming, error))
		return false;
	if (incoming->start != -1 && !undo_log_is_whole(&incoming->intake.reader.header,
	    STDIN_FILENO, (uint64_t)incoming->start, incoming->holds))
		how.cut_at = incoming->holds;
	if (!patch_create(patch, &how, &incoming->intake, incoming->target, error))
		return false;
	incoming->writer = &patch->writer;
	if (incoming->start == -1)
		return true;
	if (!patch_check(patch, error))
		return false;
	if (lseek(STDIN_FILENO, incoming->start, SEEK_SET) == -1)
		return error_errno(error, "standard input");
	input_open(&incoming->input, STDIN_FILENO, -1, "standard input");
	patch->writer.intake = &incoming->again;
	return intake_open_stream(&incoming->again, &incoming->input, INTAKE_PATCH, error);
}

static bool
accept_stream(struct incoming *incoming, struct error *error)
{
	const struct stream_header *header = &incoming->intake.reader.header;

	if (!opening_suits_stream(&incoming->input, error) || !intake_open_stream(&incoming->intake, &incoming->input, INTAKE_IMAGE | INTAKE_PATCH, error) ||
	    !incoming_is_wanted(incoming, header->id, error) || !accept_origin(incoming, error))
		return false;
	return header->kind == STREAM_IMAGE ? accept_image(incoming, header->size, error) :
	    accept_patch(incoming, error);
}

/* Nothing in raw bytes says that they are a disk, nor how much of it has come. */
static bool
accept_raw(struct incoming *incoming, struct error *error)
{
	uint64_t said = incoming->options->length, holds = incoming->holds;

	if (!opening_suits_raw(&incoming->input, said == 0, incoming->options->force, &incoming->forced, error))
		return false;
	if (holds != UINT64_MAX && said != UINT64_MAX && holds != said)
		return error_set(error, "standard input: holds %ju bytes, -l says %ju",
		    (uintmax_t)holds, (uintmax_t)said);
	if (said == UINT64_MAX)
		said = holds;
	return accept_origin(incoming, error) &&
	    intake_open_raw(&incoming->intake, &incoming->input, said, error) &&
	    accept_image(incoming, said, error);
}

bool
incoming_accept(struct incoming *incoming, struct error *error)
{
	if (incoming->options->raw)
		return accept_raw(incoming, error);
	if (isatty(STDIN_FILENO))
		return error_set(error, "standard input: a terminal, not a block stream");
	return accept_stream(incoming, error);
}

bool
incoming_is_image(const struct incoming *incoming)
{
	return incoming->writer == &incoming->restore.writer;
}
