/* env: closes what the helpers opened for all runs of one loop. */
#include "curl_glue.h"
#include "probe.h"
#include "worker.h"

void probe_env_close(struct probe_env *env)
{
    if (env->curl)
        curl_glue_close(env);
    if (env->workers)
        worker_pool_close(env);
}
