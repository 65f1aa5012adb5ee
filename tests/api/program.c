/* SPDX-License-Identifier: MIT */
/* api/program.c — an example program as a child, through a pipe. */
#include "program.h"

#include "kit/kit.h"

#include <string.h>
#include <sys/wait.h>

void program_start(struct program *program, const char *name, const char *arguments)
{
    const char *folder = kit_arg(1);
    assert_non_null(folder);
    char command[1024];
    int n = snprintf(command, sizeof(command), "exec '%s/%s' %s 2>&1", folder, name, arguments);
    assert_in_range(n, 1, sizeof(command) - 1);
    memset(program, 0, sizeof(*program));
    /* NOLINTNEXTLINE(cert-env33-c): the command is the test's own */
    program->output = popen(command, "r");
    assert_non_null(program->output);
}

bool program_read_line(struct program *program)
{
    char *line = program->text + program->len;
    size_t room = sizeof(program->text) - program->len;
    assert_true(room > 256);
    if (fgets(line, (int)room, program->output) == NULL) {
        return false;
    }
    program->len += strlen(line);
    return true;
}

int program_finish(struct program *program)
{
    while (program_read_line(program)) {
    }
    int status = pclose(program->output);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void program_run(struct program *program, const char *name, const char *arguments,
                 int want_code)
{
    program_start(program, name, arguments);
    int code = program_finish(program);
    if (code != want_code) {
        fail_msg("%s ended with %d:\n%s", name, code, program->text);
    }
}
