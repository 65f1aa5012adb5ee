/* SPDX-License-Identifier: MIT */
/* fault/states.c — the table of server states. */
#include "fault/states.h"

#include "kit/kit.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
const struct state k_states[STATE_COUNT] = {
    {"LOADING", "LOADING Redis is loading the dataset in memory",
     "LOADING", FAC_E_UNAVAILABLE, STATE_ANSWERED},
    {"READONLY", "READONLY You can't write against a read only replica.",
     "READONLY", FAC_E_SERVER, STATE_ANSWERED},
    {"MASTERDOWN", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     "MASTERDOWN", FAC_E_UNAVAILABLE, STATE_ANSWERED},
    {"OOM", "OOM command not allowed when used memory > 'maxmemory'.",
     "OOM", FAC_E_SERVER, STATE_ANSWERED},
    {"BUSY", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
     "BUSY", FAC_E_UNAVAILABLE, STATE_ANSWERED},
    {"NOAUTH", "NOAUTH Authentication required.",
     "NOAUTH", FAC_E_AUTH, STATE_NO_OPEN},
    {"WRONGPASS", "WRONGPASS invalid username-password pair or user is disabled.",
     "WRONGPASS", FAC_E_AUTH, STATE_NO_OPEN},
    {"NOPERM", "NOPERM User default has no permissions to run the 'set' command",
     "NOPERM", FAC_E_AUTH, STATE_ANSWERED},
    {"NOPROTO", "NOPROTO unsupported protocol version",
     "NOPROTO", FAC_OK, STATE_FALL_BACK},
    {"CLUSTERDOWN", "CLUSTERDOWN Hash slot not served",
     "CLUSTERDOWN", FAC_E_UNAVAILABLE, STATE_ANSWERED},
    {"TRYAGAIN", "TRYAGAIN Multiple keys request during rehashing of slot",
     "TRYAGAIN", FAC_E_UNAVAILABLE, STATE_ANSWERED},
    {"MOVED", "MOVED 3999 127.0.0.1:6381",
     "MOVED", FAC_E_SERVER, STATE_ANSWERED},
    {"ASK", "ASK 3999 127.0.0.1:6381",
     "ASK", FAC_E_SERVER, STATE_ANSWERED},
    {"CROSSSLOT", "CROSSSLOT Keys in request don't hash to the same slot",
     "CROSSSLOT", FAC_E_SERVER, STATE_ANSWERED},
    {"NOREPLICAS", "NOREPLICAS Not enough good replicas to write.",
     "NOREPLICAS", FAC_E_SERVER, STATE_ANSWERED},
    {"MISCONF", "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
     "MISCONF", FAC_E_SERVER, STATE_ANSWERED},
    {"UNKILLABLE", "UNKILLABLE Sorry the script already executed write commands against the dataset.",
     "UNKILLABLE", FAC_E_SERVER, STATE_ANSWERED},
    {"EXECABORT", "EXECABORT Transaction discarded because of previous errors.",
     "EXECABORT", FAC_E_SERVER, STATE_ANSWERED},
    {"maxclients", "ERR max number of clients reached",
     "ERR", FAC_E_UNAVAILABLE, STATE_NO_OPEN},
    {"client eviction", NULL,
     "", FAC_E_UNAVAILABLE, STATE_RECONNECT},
    {"CLIENT PAUSE", NULL,
     "", FAC_E_TIMEOUT, STATE_WAITED},
    {"DEBUG SLEEP", NULL,
     "", FAC_E_TIMEOUT, STATE_WAITED},
};
/* clang-format on */

const struct state *state_named(const char *name)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (strcmp(k_states[i].name, name) == 0) {
            return &k_states[i];
        }
    }
    fail_msg("no state %s", name);
    return NULL;
}

const char *state_reaction_name(enum state_reaction reaction)
{
    static const char *const k_names[] = {
        [STATE_ANSWERED] = "told at once",
        [STATE_RECONNECT] = "connects again",
        [STATE_NO_OPEN] = "connection refused",
        [STATE_FALL_BACK] = "goes on with RESP2",
        [STATE_WAITED] = "waits",
    };
    return k_names[reaction];
}

void fault_without_breaker(fac_options *options)
{
    static bool is_told;
    fac_error err;
    if (fac_options_set(options, "breaker", "no", &err) != FAC_OK) {
        assert_contains(err.message, "no setting");
        if (!is_told) {
            (void)fprintf(stderr, "no breaker to be switched off: %s\n", err.message);
        }
        is_told = true;
    }
}
