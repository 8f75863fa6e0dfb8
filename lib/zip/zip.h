/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zip: the interface of the three engines of blkzip, and the frame that they share: recode
 * (block streams), deflater (raw bytes to gzip), inflater (gzip to raw bytes).
 *
 * Each reads the input to its end on a pool of threads (base/pool.h), writes output in
 * order, and moves the counters of progress.h.  After a failure a thread may still wait for
 * input.  So the memory of the engine is then not freed, but stays at zip->engine, and the
 * struct zip must live as long as the process.
 */
#ifndef ZIP_H
#define ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"
#include "pipe/input.h"
#include "stream/codec.h"
#include "zip/load.h"

#define ZIP_THREADS	64

enum zip_action { ZIP_COMPRESS, ZIP_DECOMPRESS, ZIP_TEST };

struct zip {
	enum zip_action action;
	struct input *input;
	int output;			/* not used by ZIP_TEST */
	enum record_codec method;	/* of what is compressed in a block stream */
	int level;			/* 1 to 9; 0 stores */
	struct load *load;		/* where it chooses the level, else NULL */
	unsigned threads;		/* 1 to ZIP_THREADS */
	uint64_t written;		/* bytes so far */
	uint64_t plain;			/* of a block stream that ended: bytes of the image, or of data */
	void *engine;
};

/* The beginning of each job of an engine. */
struct zip_job {
	unsigned char *in, *out;
	struct codec *codec;
	struct error error;		/* of take or work; give reports it */
};

/* The beginning of each engine. */
struct zip_engine {
	struct zip *zip;
	void *jobs[2 * ZIP_THREADS];	/* each begins with a struct zip_job */
	unsigned count;
	struct error error;		/* give returned false for this */
};

/*
 * The operations of an engine.  All functions except the pool's get the engine, and return
 * false with the error filled.
 */
struct zip_engine_ops {
	struct pool_ops pool;
	size_t size, job_size;		/* bytes of the engine, and of each of its jobs */

	/* Read the beginning of the input, and allocate the jobs with zip_jobs. */
	bool (*open)(void *engine, struct error *);

	/* All of the input: mostly zip_run. */
	bool (*run)(void *engine, struct error *);

	/* Free what open allocated besides the jobs.  Also after a failure of open. */
	void (*close)(void *engine);
};

/* Allocate the engine, open it, run it and free it. */
bool zip_engine(struct zip *, const struct zip_engine_ops *, struct error *);

/* Allocate the jobs, with so many bytes in in and out. */
bool zip_jobs(struct zip_engine *, const struct zip_engine_ops *, size_t in, size_t out,
    struct error *);

/* Run the pool until take ends. */
bool zip_run(struct zip_engine *, const struct pool_ops *, struct error *);

/* A block stream from the input, which begins with one, to the output. */
bool recode_run(struct zip *, struct error *);

/* Raw bytes to gzip members; action is ZIP_COMPRESS. */
bool deflater_run(struct zip *, struct error *);

/* The same to a file of one member, whose pieces are deflated side by side. */
bool single_run(struct zip *, struct error *);

/* gzip members to raw bytes, or tested; action is another. */
bool inflater_run(struct zip *, struct error *);

#endif
