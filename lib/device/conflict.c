/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "device/conflict.h"
#include "device/lock.h"

static bool
forgive(const char *name, bool force, struct error *remark, const struct error *fault,
    struct error *error)
{
	if (!force) {
		*error = *fault;
		return false;
	}
	error_set(remark, "%s: written while it is in use, for --force says so: after a failure neither the "
	    "old content nor the new is whole", name);
	return true;
}

/* A stream that was saved is restored to where it came from. */
static bool
was_saved(const struct origin *origin)
{
	uint64_t began = origin->identity.began;

	return origin->file || (began != 0 && began + CONFLICT_AGE < origin->started);
}

bool
conflict_free(const struct target *target, const struct origin *origin, bool force,
    struct error *remark, struct error *error)
{
	struct identity identity;
	struct error fault = { 0 };
	enum lock_state lock;
	bool overlap;

	if (target->medium.fd == -1 || target->medium.null)
		return true;
	identity_find(&identity, target->medium.fd, target->offset);
	overlap = identity_overlaps(&origin->identity, origin->length, &identity, origin->length);
	if (overlap && !was_saved(origin)) {
		error_set(&fault, "%s: the input is read from this very disk, which would be destroyed "
		    "(is an \"ssh HOST\" missing in the pipe?); --force writes it anyway", target->name);
		return forgive(target->name, force, remark, &fault, error);
	}
	lock = lock_for_writing(target->medium.fd);
	if (lock == LOCK_OURS || (lock == LOCK_READER && origin->patch) ||
	    (identity_same_disk(&origin->identity, &identity) && !overlap))
		return true;
	if (lock == LOCK_READER)
		error_set(&fault, "%s: in use: another program reads it and has locked it (is an \"ssh HOST\" "
		    "missing in the pipe?); --force writes it anyway", target->name);
	else
		error_set(&fault, "%s: in use: another program has locked it for writing; --force writes it "
		    "anyway", target->name);
	return forgive(target->name, force, remark, &fault, error);
}
