/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zip.h"

bool
zip_run(struct zip *zip, const struct pool_ops *ops, void *engine, void **jobs,
    const struct error *stopped, struct error *error)
{
	if (pool_run(ops, engine, jobs, zip->jobs))
		return true;
	zip->engine = engine;
	if (stopped->set)
		*error = *stopped;
	else
		error_errno(error, "%u threads", zip->jobs);
	return false;
}
