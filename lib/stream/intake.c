/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "stream/intake.h"

static bool
intake_init(struct intake *intake, struct input *input, struct error *error)
{
	memset(intake, 0, sizeof(*intake));
	intake->input = input;
	intake->digest = blk128_create();
	if (intake->digest == NULL)
		return error_errno(error, "%s", input->name);
	return true;
}

bool
intake_open_stream(struct intake *intake, struct input *input, unsigned kinds,
    struct error *error)
{
	if (!intake_init(intake, input, error) ||
	    !stream_open(&intake->reader, input, error))
		return false;
	if ((kinds & 1u << intake->reader.header.kind) == 0) {
		static const char *const names[] = { "an image", "a delta", "a map", "an undo log" };

		return error_set(error, "%s: this stream is %s, %s is wanted", input->name,
		    names[intake->reader.header.kind - 1],
		    kinds == INTAKE_IMAGE ? "an image" : "an image, a delta or an undo log");
	}
	return true;
}

bool
intake_open_raw(struct intake *intake, struct input *input, uint64_t length, struct error *error)
{
	if (!intake_init(intake, input, error))
		return false;
	intake->raw = true;
	intake->raw_length = length;
	return true;
}

const struct container *
intake_mistaken(struct input *input, ssize_t *length)
{
	const unsigned char *data;

	/* No more than a stream's magic: a peer may send so little and wait. */
	*length = input_peek(input, STREAM_MAGIC_SIZE, &data);
	return *length > 0 ? container_find(data, (size_t)*length) : NULL;
}

struct piece *
piece_create(const struct intake *intake)
{
	struct piece *piece = calloc(1, sizeof(*piece));
	size_t room = intake->raw ? INTAKE_RAW : intake->reader.header.payload_max;

	if (piece == NULL)
		return NULL;
	if (room < RECORD_NOTE_MAX)
		room = RECORD_NOTE_MAX;
	piece->payload = buffer_create(room);
	piece->plain = buffer_create(room);
	piece->hashes = malloc(BLK128_BLOCKS(room) * BLK128_SIZE);
	piece->note = malloc(RECORD_NOTE_MAX);
	piece->codec = codec_create();
	if (piece->note == NULL || piece->payload == NULL || piece->plain == NULL || piece->hashes == NULL ||
	    piece->codec == NULL) {
		piece_destroy(piece);
		errno = ENOMEM;
		return NULL;
	}
	return piece;
}

void
piece_destroy(struct piece *piece)
{
	free(piece->payload);
	free(piece->plain);
	free(piece->hashes);
	free(piece->note);
	codec_destroy(piece->codec);
	free(piece);
}

static bool
intake_take_raw(struct intake *intake, struct piece *piece)
{
	struct input *input = intake->input;
	uint64_t left = intake->raw_length - intake->position;
	size_t want = left < INTAKE_RAW ? (size_t)left : INTAKE_RAW;
	ssize_t n = input_read(input, piece->payload, want);

	piece->offset = intake->position;
	piece->length = n > 0 ? (uint64_t)n : 0;
	if (n == -1)
		error_errno(&piece->error, "%s: at byte %ju", input->name,
		    (uintmax_t)input->position);
	else if (intake->raw_length != UINT64_MAX && (size_t)n < want)
		error_set(&piece->error, "%s: ended after %ju bytes, %ju were to come", input->name,
		    (uintmax_t)input->position, (uintmax_t)intake->raw_length);
	else if (want == left && input_finish(input, 1000) == 1)
		error_set(&piece->error, "%s: more than the %ju bytes that were to come", input->name,
		    (uintmax_t)intake->raw_length);
	intake->position += piece->length;
	piece->last = (size_t)n < want || want == left;
	intake->ended = piece->error.set || piece->last;
	return true;
}

/* The next part of a ZERO record. */
static bool
intake_take_zeros(struct intake *intake, struct piece *piece)
{
	struct record *zeros = &intake->zeros;
	uint64_t length = zeros->length < INTAKE_ZEROS ? zeros->length : INTAKE_ZEROS;

	piece->record = *zeros;
	piece->offset = zeros->offset;
	piece->length = length;
	piece->zero = true;
	zeros->offset += length;
	zeros->length -= length;
	return true;
}

/* A note in an undo log is about the record behind it. */
static void
intake_keep_note(struct intake *intake, const struct piece *piece)
{
	if (intake->reader.header.kind != STREAM_UNDO)
		return;
	intake->note_length = piece->record.stored;
	memcpy(intake->note, piece->payload, intake->note_length);
}

static void
intake_give_note(struct intake *intake, struct piece *piece)
{
	piece->note_length = intake->note_length;
	memcpy(piece->note, intake->note, intake->note_length);
	intake->note_length = 0;
}

bool
intake_run(struct intake *intake, const struct pool_ops *ops, void *context, unsigned jobs,
    struct error *error)
{
	unsigned i;

	intake->pieces = calloc(jobs, sizeof(*intake->pieces));
	if (intake->pieces == NULL)
		return error_errno(error, "memory");
	for (i = 0; i < jobs; i++)
		if ((intake->pieces[i] = piece_create(intake)) == NULL)
			return error_errno(error, "memory");
	if (!pool_run(ops, context, intake->pieces, jobs, jobs))
		return error_errno(error, "threads");
	for (i = 0; i < jobs; i++)
		piece_destroy(intake->pieces[i]);
	free(intake->pieces);
	return true;
}

struct place
intake_place(const struct intake *intake, const struct piece *piece)
{
	return (struct place){ intake->input->name, piece->at, piece->record.offset };
}

static bool
intake_take_stream(struct intake *intake, struct piece *piece)
{
	struct record *record = &piece->record;

	if (intake->zeros.length > 0)
		return intake_take_zeros(intake, piece);
	piece->offset = piece->length = 0;
	if (!stream_next(&intake->reader, record, piece->payload, &piece->error)) {
		intake->ended = true;
		*record = (struct record){ 0 };	/* it may be what is wrong */
		piece->at = intake->reader.record_at;
		piece->cut = intake->reader.cut;
		return true;
	}
	piece->at = intake->reader.record_at;
	switch (record->type) {
	case RECORD_NOTE:
		intake_keep_note(intake, piece);
		break;
	case RECORD_DATA:
		intake_give_note(intake, piece);
		piece->offset = record->offset;
		piece->length = record->length;
		break;
	case RECORD_ZERO:
		intake_give_note(intake, piece);
		intake->zeros = *record;
		return intake_take_zeros(intake, piece);
	case RECORD_END:
		intake->ended = true;
		stream_finish(&intake->reader, record, piece->payload, &intake->end, &piece->error);
		break;
	case RECORD_ABORT:
		intake->ended = true;
		fault_aborted(&piece->error, intake_place(intake, piece), piece->payload,
		    record->stored);
		break;
	default:
		break;
	}
	return true;
}

bool
intake_take(struct intake *intake, struct piece *piece)
{
	if (intake->ended)
		return false;
	piece->zero = piece->cut = false;
	return intake->raw ? intake_take_raw(intake, piece) : intake_take_stream(intake, piece);
}

void
intake_work(struct intake *intake, struct piece *piece)
{
	struct error reason = { 0 };

	if (piece->error.set || piece->length == 0 || piece->zero)
		return;
	if (intake->raw) {
		piece->data = piece->payload;
		piece->zero = bytes_are_zero(piece->data, (size_t)piece->length);
	} else if (!codec_unpack(piece->codec, &piece->record, &intake->reader.header,
	    piece->payload, piece->plain, &piece->data, &reason)) {
		fault_set(&piece->error, intake_place(intake, piece), reason.text);
		return;
	}
	if (!piece->zero)
		blk128_blocks(piece->data, (size_t)piece->length, piece->hashes);
}

/* The end: our digest must be the sender's. */
static bool
intake_give_end(struct intake *intake, struct piece *piece)
{
	struct error reason = { 0 };

	intake->whole = intake->raw || intake->reader.header.kind != STREAM_IMAGE ||
	    blk128_check(intake->digest, intake->end.digest, &reason);
	if (!intake->whole)
		fault_set(&piece->error, intake_place(intake, piece), reason.text);
	return intake->whole;
}

bool
intake_give(struct intake *intake, struct piece *piece)
{
	if (piece->error.set)
		return false;
	if (piece->length > 0 && !intake->raw && intake->reader.header.kind != STREAM_IMAGE)
		intake->position = piece->offset + piece->length;
	else if (piece->length > 0) {
		if (piece->zero)
			blk128_add_zeros(intake->digest, piece->length);
		else
			blk128_add(intake->digest, piece->hashes, piece->length);
	}
	if (intake->raw)
		return piece->last ? intake_give_end(intake, piece) : true;
	return piece->record.type == RECORD_END ? intake_give_end(intake, piece) : true;
}

uint64_t
intake_position(const struct intake *intake)
{
	if (!intake->raw && intake->reader.header.kind != STREAM_IMAGE)
		return intake->position;
	return blk128_size(intake->digest);
}
