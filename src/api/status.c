/* SPDX-License-Identifier: MIT */
/* api/status.c — names of statuses, and the version of the library. */
#include <faciliter/error.h>
#include <faciliter/version.h>

#define TEXT_OF(token)              #token
#define DOTTED(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *fac_version(void)
{
    return DOTTED(FAC_VERSION_MAJOR, FAC_VERSION_MINOR, FAC_VERSION_PATCH);
}

const char *fac_status_name(fac_status status)
{
    switch (status) {
    case FAC_OK:
        return "FAC_OK";
    case FAC_MISS:
        return "FAC_MISS";
    case FAC_EXISTS:
        return "FAC_EXISTS";
    case FAC_SMALL:
        return "FAC_SMALL";
    case FAC_E_INVALID:
        return "FAC_E_INVALID";
    case FAC_E_CONFIG:
        return "FAC_E_CONFIG";
    case FAC_E_UNAVAILABLE:
        return "FAC_E_UNAVAILABLE";
    case FAC_E_TIMEOUT:
        return "FAC_E_TIMEOUT";
    case FAC_E_BUSY:
        return "FAC_E_BUSY";
    case FAC_E_AUTH:
        return "FAC_E_AUTH";
    case FAC_E_SERVER:
        return "FAC_E_SERVER";
    case FAC_E_PROTOCOL:
        return "FAC_E_PROTOCOL";
    case FAC_E_TOO_LARGE:
        return "FAC_E_TOO_LARGE";
    case FAC_E_NOMEM:
        return "FAC_E_NOMEM";
    case FAC_E_CLOSED:
        return "FAC_E_CLOSED";
    case FAC_E_UNSUPPORTED:
        return "FAC_E_UNSUPPORTED";
    }
    return "unknown status";
}

bool fac_status_is_retryable(fac_status status)
{
    return status == FAC_E_UNAVAILABLE || status == FAC_E_TIMEOUT || status == FAC_E_BUSY;
}
