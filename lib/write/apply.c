/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/io.h"
#include "hash/hash64.h"
#include "hash/xxh.h"
#include "stream/map.h"
#include "write/apply.h"

/* Block hashes of one part: a part is at least a grid block, which is at least 4 KiB. */
#define HASHES_MAX	(APPLY_ROOM / STREAM_GRID_MIN * MAP_HASH_MAX)

/* Add a part of the target to the sum that `old` is compared with. */
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

bool
apply_check(const struct piece *piece, const struct stream_header *header,
    struct target *target, unsigned char *room, enum apply_verdict *verdict, struct error *error)
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
		read = target_read_old(target, piece->offset + at, room, (size_t)part, error);
		if (!read)
			break;
		sum_part(state, record, header, room, (size_t)part);
		same = same && (piece->zero ? bytes_are_zero(room, (size_t)part) :
		    memcmp(room, piece->data + at, (size_t)part) == 0);
	}
	if (read && XXH3_64bits_digest(state) != record->old)
		*verdict = same ? APPLY_DONE : APPLY_NEITHER;
	XXH3_freeState(state);
	return read;
}

/* Save what a part of the piece overwrites; what a file had no bytes for is in no log. */
static bool
save_part(const struct piece *piece, uint64_t at, uint64_t length, struct target *target,
    struct undo *undo, unsigned char *room, struct error *error)
{
	static const unsigned char zeros[UNDO_PART];
	uint64_t ticket = 0, done, part;

	length = target_held(target, piece->offset + at, length);
	for (done = 0; done < length; done += part) {
		const unsigned char *data = piece->zero ? zeros : piece->data + at + done;

		part = length - done < UNDO_PART ? length - done : UNDO_PART;
		if (!target_read(target, piece->offset + at + done, room, (size_t)part, error) ||
		    !undo_save(undo, target->offset + piece->offset + at + done, room, (uint32_t)part,
		    true, hash64(data, (size_t)part), &ticket, error))
			return false;
	}
	return undo_wait(undo, ticket, error);
}

static bool
write_part(const struct piece *piece, uint64_t at, uint64_t length, struct target *target,
    struct error *error)
{
	return piece->zero ? target_zero(target, piece->offset + at, length, error) :
	    target_write(target, piece->offset + at, piece->data + at, (size_t)length, error);
}

bool
apply_write(const struct piece *piece, uint64_t at, struct target *target, struct undo *undo,
    unsigned char *room, struct error *error)
{
	const uint64_t most = undo != NULL ? UNDO_STEP : TARGET_ZERO_STEP;
	bool done = true;
	uint64_t part;

	for (; done && at < piece->length; at += part) {
		part = piece->length - at < most ? piece->length - at : most;
		if (undo == NULL) {
			done = write_part(piece, at, part, target, error);
			continue;
		}
		if (!undo_depart(undo, part, error))
			return false;
		done = save_part(piece, at, part, target, undo, room, error) &&
		    write_part(piece, at, part, target, error);
		undo_arrive(undo);
	}
	return done;
}
