/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/io.h"
#include "hash/xxh.h"
#include "stream/map.h"
#include "write/apply.h"
#include "write/sectors.h"

/* Bytes of the block hashes of one part; a block is at least 4 KiB. */
#define HASHES_MAX	(APPLY_ROOM / STREAM_GRID_MIN * MAP_HASH_MAX)

/* Add a part of the target to the sum that will be compared with `old`. */
static void
sum_part(XXH3_state_t *state, const struct record *record, const struct stream_header *header,
    const unsigned char *part, size_t length)
{
	unsigned char hashes[HASHES_MAX];
	size_t blocks = (length + header->grid - 1) / header->grid;

	if ((record->flags & RECORD_OLD_HASHES) == 0) {
		XXH3_64bits_update(state, part, length);
		return;
	}
	map_hash_blocks(header->hash, header->grid, part, length, hashes);
	XXH3_64bits_update(state, hashes, blocks * map_hash_size(header->hash));
}

/* Whether what is neither is a mixture of both, sector by sector. */
static bool
check_sectors(struct apply *apply, const struct piece *piece, unsigned char *room,
    enum apply_verdict *verdict, struct error *error)
{
	static const enum apply_verdict verdicts[] = {
		[SECTORS_OTHER] = APPLY_NEITHER, [SECTORS_MIXED] = APPLY_TORN,
		[SECTORS_LIKELY] = APPLY_LIKELY,
	};
	enum sectors_verdict most = SECTORS_OTHER, now;
	uint64_t at, part;

	/* Records with a note fit into the room; of others each part counts. */
	for (at = 0; at < piece->length; at += part) {
		part = piece->length - at < APPLY_ROOM ? piece->length - at : APPLY_ROOM;
		if (!target_read_old(apply->target, piece->offset + at, room, (size_t)part, error))
			return false;
		now = sectors_compare(apply->target->offset + piece->offset + at, room, (size_t)part,
		    piece->zero ? NULL : piece->data + at, piece->note, piece->note_length);
		most = now > most ? now : most;
	}
	*verdict = verdicts[most];
	return true;
}

bool
apply_check(struct apply *apply, const struct piece *piece, unsigned char *room,
    enum apply_verdict *verdict, struct error *error)
{
	const struct record *record = &piece->record;
	XXH3_state_t *state;
	bool same = true, read = true;
	uint64_t at, part;

	*verdict = APPLY_WRITE;
	if (record->flags == 0)
		return true;
	state = XXH3_createState();
	if (state == NULL)
		return error_set(error, "out of memory");
	XXH3_64bits_reset(state);
	for (at = 0; read && at < piece->length; at += part) {
		part = piece->length - at < APPLY_ROOM ? piece->length - at : APPLY_ROOM;
		read = target_read_old(apply->target, piece->offset + at, room, (size_t)part, error);
		if (!read)
			break;
		sum_part(state, record, apply->header, room, (size_t)part);
		same = same && (piece->zero ? bytes_are_zero(room, (size_t)part) :
		    memcmp(room, piece->data + at, (size_t)part) == 0);
	}
	if (read && XXH3_64bits_digest(state) != record->old)
		*verdict = same ? APPLY_DONE : APPLY_NEITHER;
	XXH3_freeState(state);
	if (read && *verdict == APPLY_NEITHER && apply->header->kind == STREAM_UNDO)
		return check_sectors(apply, piece, room, verdict, error);
	return read;
}

/* Save the data that a part of the piece overwrites; no log has bytes beyond a file's old end. */
static bool
save_part(struct apply *apply, const struct piece *piece, uint64_t at, uint64_t length,
    unsigned char *room, struct error *error)
{
	static const unsigned char zeros[UNDO_PART];
	struct target *target = apply->target;
	uint64_t ticket = 0, done, part;

	length = target_held(target, piece->offset + at, length);
	for (done = 0; done < length; done += part) {
		const unsigned char *data = piece->zero ? zeros : piece->data + at + done;

		part = length - done < UNDO_PART ? length - done : UNDO_PART;
		if (!target_read(target, piece->offset + at + done, room, (size_t)part, error) ||
		    !undo_save(apply->undo, target->offset + piece->offset + at + done, room,
		    (uint32_t)part, data, &ticket, error))
			return false;
	}
	return undo_wait(apply->undo, ticket, error);
}

static bool
write_part(struct apply *apply, const struct piece *piece, uint64_t at, uint64_t length,
    struct error *error)
{
	if (!apply_touch(apply, error))
		return false;
	return piece->zero ? target_zero(apply->target, piece->offset + at, length, error) :
	    target_write(apply->target, piece->offset + at, piece->data + at, (size_t)length, error);
}

bool
apply_write(struct apply *apply, const struct piece *piece, uint64_t start, unsigned char *room,
    struct error *error)
{
	const uint64_t most = apply->undo != NULL ? UNDO_STEP : TARGET_ZERO_STEP;
	bool done = true;
	uint64_t at, part;

	for (at = start; done && at < piece->length; at += part) {
		part = piece->length - at < most ? piece->length - at : most;
		if (apply->undo == NULL) {
			done = write_part(apply, piece, at, part, error);
			continue;
		}
		if (!undo_depart(apply->undo, part, error))
			return false;
		done = save_part(apply, piece, at, part, room, error) &&
		    write_part(apply, piece, at, part, error);
		undo_arrive(apply->undo);
	}
	return done;
}

bool
apply_touch(struct apply *apply, struct error *error)
{
	int was = APPLY_UNTOUCHED;

	if (atomic_compare_exchange_strong(&apply->state, &was, APPLY_TOUCHED) || was == APPLY_TOUCHED)
		return true;
	return error_set(error, "%s: not written, for another failure came first", apply->target->name);
}

bool
apply_withdraw(struct apply *apply)
{
	int was = APPLY_UNTOUCHED;

	return atomic_compare_exchange_strong(&apply->state, &was, APPLY_WITHDRAWN) ||
	    was == APPLY_WITHDRAWN;
}
