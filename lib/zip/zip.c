/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "zip/zip.h"

static void
job_destroy(struct zip_job *job)
{
	free(job->in);
	free(job->out);
	codec_destroy(job->codec);
	free(job);
}

static struct zip_job *
job_create(size_t size, size_t in, size_t out)
{
	struct zip_job *job = calloc(1, size);

	if (job == NULL)
		return NULL;
	job->in = buffer_create(in);
	job->out = buffer_create(out);
	job->codec = codec_create();
	if (job->in != NULL && job->out != NULL && job->codec != NULL)
		return job;
	job_destroy(job);
	return NULL;
}

bool
zip_jobs(struct zip_engine *engine, const struct zip_engine_ops *ops, size_t in, size_t out,
    struct error *error)
{
	unsigned wanted = pool_jobs(engine->zip->threads);

	for (; engine->count < wanted; engine->count++) {
		engine->jobs[engine->count] = job_create(ops->job_size, in, out);
		if (engine->jobs[engine->count] == NULL) {
			errno = ENOMEM;
			return error_errno(error, "%u jobs of %zu bytes", wanted, in + out);
		}
	}
	return true;
}

bool
zip_run(struct zip_engine *engine, const struct pool_ops *ops, struct error *error)
{
	if (pool_run(ops, engine, engine->jobs, engine->count, engine->zip->threads))
		return true;
	if (engine->error.set)
		*error = engine->error;
	else
		error_errno(error, "%u threads", engine->zip->threads);
	return false;
}

bool
zip_engine(struct zip *zip, const struct zip_engine_ops *ops, struct error *error)
{
	struct zip_engine *engine = calloc(1, ops->size);
	bool done;

	if (engine == NULL)
		return error_errno(error, "memory");
	zip->engine = engine;
	engine->zip = zip;
	done = ops->open(engine, error) && ops->run(engine, error);
	/* With one thread there is no other that may still use it. */
	if (!done && zip->threads > 1)
		return false;
	ops->close(engine);
	while (engine->count > 0)
		job_destroy(engine->jobs[--engine->count]);
	free(engine);
	zip->engine = NULL;
	return done;
}
