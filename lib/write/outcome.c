/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "base/size.h"
#include "write/outcome.h"

/* Each of the following writes one line, or returns false: there is nothing to say. */

static bool
say_error(const struct error *error, char *line, size_t room)
{
	if (!error->set)
		return false;
	snprintf(line, room, "%s", error->text);
	return true;
}

static bool
say_given_up(const struct outcome *outcome, char *line, size_t room)
{
	return say_error(outcome->forced, line, room);
}

static bool
say_remark(const struct outcome *outcome, char *line, size_t room)
{
	return say_error(&outcome->writer->remark, line, room);
}

static bool
say_cached(const struct outcome *outcome, char *line, size_t room)
{
	return evidence_next(&outcome->writer->evidence, line, room);
}

/* A larger device keeps its content behind the range, and a file that is not cut. */
static bool
say_tail(const struct outcome *outcome, const char *what, uint64_t size, char *line, size_t room)
{
	const struct target *target = outcome->target;
	uint64_t tail = target_tail(target, size);

	if (target->offset != 0 || (target->confined && !outcome->intake->raw) || tail == 0)
		return false;
	snprintf(line, room, "%s: the %ju bytes behind the %s's %ju are left as they were", target->name,
	    (uintmax_t)tail, what, (uintmax_t)size);
	return true;
}

static bool
say_image_tail(const struct outcome *outcome, char *line, size_t room)
{
	return say_tail(outcome, "image", outcome->restore->size, line, room);
}

static bool
say_unproven(const struct outcome *outcome, char *line, size_t room)
{
	if (!outcome->intake->raw || outcome->intake->raw_length != UINT64_MAX)
		return false;
	snprintf(line, room, "standard input: %ju raw bytes came; nothing proves that they are complete",
	    (uintmax_t)outcome->restore->size);
	return true;
}

static bool
say_image_bad(const struct outcome *outcome, char *line, size_t room)
{
	if (outcome->intake->end.bad == 0)
		return false;
	snprintf(line, room, "%s: %ju bytes could not be read at the source; zeros stand in their place",
	    outcome->target->name, (uintmax_t)outcome->intake->end.bad);
	return true;
}

static bool
say_image(const struct outcome *outcome, char *line, size_t room)
{
	const struct restore *restore = outcome->restore;
	unsigned char digest[BLK128_SIZE];
	char hex[BLK128_HEX], rate[16];

	if (!outcome->verbose)
		return false;
	blk128_finish(outcome->intake->digest, digest);
	size_format_rate(rate, sizeof(rate), restore->size, outcome->seconds);
	snprintf(line, room, "%s: %ju bytes, %ju of them zero, %.1f s, %s/s%s, blk128:%s",
	    outcome->target->name, (uintmax_t)restore->size, (uintmax_t)restore->zero,
	    outcome->seconds, rate, writer_verdict(&restore->writer), blk128_hex(digest, hex));
	return true;
}

static bool
say_cut(const struct outcome *outcome, char *line, size_t room)
{
	if (!outcome->patch->cut.set)
		return false;
	snprintf(line, room, "%s; restored as far as the log reaches", outcome->patch->cut.text);
	return true;
}

static bool
is_delta(const struct outcome *outcome)
{
	return outcome->intake->reader.header.kind == STREAM_DELTA;
}

static bool
say_delta_tail(const struct outcome *outcome, char *line, size_t room)
{
	return is_delta(outcome) && outcome->target->medium.device && say_tail(outcome, "delta", outcome->patch->size, line, room);
}

static bool
say_unchecked(const struct outcome *outcome, char *line, size_t room)
{
	if (!is_delta(outcome) || !outcome->patch->unchecked)
		return false;
	snprintf(line, room, "%s: the delta does not state all of the old data: that it is for this target "
	    "was not checked", outcome->target->name);
	return true;
}

static bool
say_patch_bad(const struct outcome *outcome, char *line, size_t room)
{
	uint64_t bad = outcome->patch->writer.intake->end.bad;

	if (bad == 0)
		return false;
	snprintf(line, room, "%s: %ju bytes could not be read at the source; they are left unchanged here",
	    outcome->target->name, (uintmax_t)bad);
	return true;
}

static bool
say_forced(const struct outcome *outcome, char *line, size_t room)
{
	uint64_t forced = atomic_load(&outcome->patch->forced);

	if (forced == 0)
		return false;
	snprintf(line, room, "%s: %ju bytes were overwritten by --force that the delta was not made for: "
	    "only a map or a digest tells what the target is now", outcome->target->name,
	    (uintmax_t)forced);
	return true;
}

static bool
say_likely(const struct outcome *outcome, char *line, size_t room)
{
	uint64_t likely = atomic_load(&outcome->patch->likely);

	if (likely == 0)
		return false;
	snprintf(line, room, "%s: %ju bytes of the log's ranges held only a part of its old data: taken for "
	    "torn by a crash, and put back", outcome->target->name, (uintmax_t)likely);
	return true;
}

static bool
say_not_truncated(const struct outcome *outcome, char *line, size_t room)
{
	const struct target *target = outcome->target;
	const struct patch *patch = outcome->patch;

	if (patch->log == NULL || target->medium.size <= target->offset + patch->size ||
	    target->medium.device || target->confined)
		return false;
	snprintf(line, room, "%s: not truncated to its new size of %ju bytes, since the undo log could not "
	    "restore the rest", target->name, (uintmax_t)patch->size);
	return true;
}

static bool
say_patch(const struct outcome *outcome, char *line, size_t room)
{
	const struct patch *patch = outcome->patch;

	if (!outcome->verbose)
		return false;
	if (is_delta(outcome) && patch->writer.intake->end.data == 0 && patch->writer.intake->end.zero == 0 &&
	    patch->writer.intake->end.bad == 0) {
		snprintf(line, room, "%s: already identical: the delta changes nothing, %.1f s", outcome->target->name,
		    outcome->seconds);
		return true;
	}
	snprintf(line, room, "%s: %ju bytes written, %ju were there already, %.1f s%s",
	    outcome->target->name, (uintmax_t)atomic_load(&patch->written),
	    (uintmax_t)atomic_load(&patch->passed), outcome->seconds, writer_verdict(&patch->writer));
	return true;
}

bool
outcome_next(struct outcome *outcome, char *line, size_t size)
{
	static bool (*const of_image[])(const struct outcome *, char *, size_t) = {
		say_given_up, say_remark, say_cached, say_cached, say_image_tail, say_unproven, say_image_bad,
		say_image, NULL
	};
	static bool (*const of_patch[])(const struct outcome *, char *, size_t) = {
		say_given_up, say_remark, say_cached, say_cached, say_cut, say_delta_tail, say_unchecked,
		say_patch_bad, say_forced, say_likely, say_not_truncated, say_patch, NULL
	};
	bool (*const *say)(const struct outcome *, char *, size_t) =
	    outcome->restore != NULL ? of_image : of_patch;

	while (say[outcome->next] != NULL)
		if (say[outcome->next++](outcome, line, size))
			return true;
	return false;
}
