/* SPDX-License-Identifier: MIT */
/* kit/bridge.c — starting rest_bridge.py, which ends when its standard input does. */
#include "kit/bridge.h"

#include "kit/certs.h"
#include "kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct kit_bridge {
    pid_t pid;
    int input; /* open while it shall run */
    uint16_t port;
};

struct kit_bridge *kit_bridge_start(const char *unix_path, bool is_tls, const char *cert,
                                    const char *key)
{
    struct kit_bridge *bridge = calloc(1, sizeof(*bridge));
    assert_non_null(bridge);
    int input[2];
    int output[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    struct kit_cert cert_path = {""};
    struct kit_cert key_path = {""};
    if (is_tls) {
        cert_path = kit_cert(cert);
        key_path = kit_cert(key);
    }
    bridge->pid = fork();
    assert_true(bridge->pid >= 0);
    if (bridge->pid == 0) {
        (void)dup2(input[0], STDIN_FILENO);
        (void)dup2(output[1], STDOUT_FILENO);
        if (is_tls) {
            (void)execlp("python3", "python3", KIT_BRIDGE, unix_path, KIT_BRIDGE_KEY,
                         cert_path.path, key_path.path, (char *)NULL);
        } else {
            (void)execlp("python3", "python3", KIT_BRIDGE, unix_path, KIT_BRIDGE_KEY,
                         (char *)NULL);
        }
        _exit(127);
    }
    (void)close(input[0]);
    (void)close(output[1]);
    bridge->input = input[1];
    char text[16] = "";
    size_t len = 0;
    while (strchr(text, '\n') == NULL && len + 1 < sizeof(text)) {
        ssize_t n = read(output[0], text + len, sizeof(text) - 1 - len);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            fail_msg("python3 %s does not start", KIT_BRIDGE);
        }
        len += n > 0 ? (size_t)n : 0;
        text[len] = '\0';
    }
    (void)close(output[0]);
    bridge->port = (uint16_t)strtoul(text, NULL, 10);
    assert_true(bridge->port > 0);
    return bridge;
}

void kit_bridge_stop(struct kit_bridge *bridge)
{
    if (bridge != NULL) {
        (void)close(bridge->input);
        (void)waitpid(bridge->pid, NULL, 0);
        free(bridge);
    }
}

uint16_t kit_bridge_port(const struct kit_bridge *bridge)
{
    return bridge->port;
}
