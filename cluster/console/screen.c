/* SPDX-License-Identifier: Apache-2.0 */
/* screen.c - see screen.h
 *
 *     head (3 lines) | list of open problems (a quarter of the height) | tree of the selected one | one line of keys
 *
 * The selected node is kept by its number, so that it stays selected while the tree grows around it.
 */

#include "cluster/console/screen.h"
#include <ctype.h>
#include <curses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/console/lines.h"
#include "proto/base/alloc.h"

enum { STEP_MS = 100, CTRL_C = 3, CTRL_L = 12, HEAD = 3 };

static const char *const keys =
    "arrows select  p prune  b boost  f finish problem  s stop run  o hide pruned  q quit";

struct screen {
    follow *f;
    problem_key problem; /* selected */
    node_ref node;
    node_ref *rows;                       /* owned: the nodes that are shown, in order */
    size_t row_count, row_cap, first_row; /* first_row: the one on top */
    bool only_kept;
    int asked; /* key of a command that waits for y, or 0 */
    char message[512];
    esp_buf line;
    int height, width;
};

/* ---- what is selected ---- */

static const view_problem *selected (struct screen *s)
{
    const view_problem *p = view_find (s->f->view, s->problem);
    size_t count = view_count (s->f->view);
    if (p || count == 0)
        return p;
    p = view_at (s->f->view, view_index (s->f->view, s->problem));
    if (!p)
        p = view_at (s->f->view, count - 1);
    s->problem = p->key;
    s->node = NODE_ROOT;
    s->first_row = 0;
    return p;
}

static bool below_pruned (const view_problem *p, node_ref ref)
{
    return view_node_of (p, ref)->mark == MARK_PRUNED || view_node_of (p, ref)->mark == MARK_FAILED;
}

static void collect_rows (struct screen *s, const view_problem *p)
{
    uint16_t hidden_from = UINT16_MAX;
    s->row_count = 0;
    for (node_ref ref = NODE_ROOT; p && ref != NODE_NONE; ref = view_next (p, ref)) {
        const view_node *n = view_node_of (p, ref);
        if (!n)
            break;
        if (n->depth > hidden_from)
            continue;
        hidden_from = s->only_kept && below_pruned (p, ref) ? n->depth : UINT16_MAX;
        if (hidden_from != UINT16_MAX ||
            esp_grow (&s->rows, &s->row_cap, s->row_count + 1, sizeof (*s->rows)) != 0)
            continue;
        s->rows[s->row_count++] = ref;
    }
}

static size_t selected_row (const struct screen *s)
{
    for (size_t i = 0; i < s->row_count; i++)
        if (s->rows[i] == s->node)
            return i;
    return 0;
}

static void move_node (struct screen *s, long by)
{
    long row = (long)selected_row (s) + by;
    if (s->row_count == 0)
        return;
    row = row < 0 ? 0 : row >= (long)s->row_count ? (long)s->row_count - 1 : row;
    s->node = s->rows[row];
}

static void move_problem (struct screen *s, long by)
{
    const view *v = s->f->view;
    long at = (long)view_index (v, s->problem) + by, count = (long)view_count (v);
    if (count == 0)
        return;
    s->problem = view_at (v, (size_t)(at < 0 ? 0 : at >= count ? count - 1 : at))->key;
    s->node = NODE_ROOT;
    s->first_row = 0;
    view_drop_finished (s->f->view, s->problem);
}

/* ---- drawing ---- */

static void put (struct screen *s, int y, attr_t attributes)
{
    move (y, 0);
    clrtoeol ();
    attron ((int)attributes);
    addstr (esp_buf_text (&s->line));
    attroff ((int)attributes);
    esp_buf_clear (&s->line);
}

static void draw_head (struct screen *s)
{
    size_t width = (size_t)s->width;
    esp_err err = esp_buf_puts (&s->line, "espalier watch  ");
    if (err == ESP_OK)
        err = lines_text (span_of (s->f->output), width > 40 ? width - 40 : 1, &s->line);
    if (err == ESP_OK && !s->f->client)
        err = esp_buf_puts (&s->line, "  the run has ended");
    put (s, 0, A_BOLD);
    if (err == ESP_OK && s->f->has_status)
        err = lines_progress (&s->f->status, width, &s->line);
    put (s, 1, A_NORMAL);
    if (err == ESP_OK && s->f->has_status)
        err = lines_work (&s->f->status, width, &s->line);
    put (s, 2, A_NORMAL);
}

static int draw_list (struct screen *s, int y, int height)
{
    const view *v = s->f->view;
    size_t count = view_count (v), at = view_index (v, s->problem), top = 0;
    esp_err err = esp_buf_printf (&s->line, "-- open problems: %zu ", count);
    put (s, y++, A_DIM);
    if (at + 1 > (size_t)height)
        top = at + 1 - (size_t)height;
    for (int i = 0; i < height && err == ESP_OK; i++) {
        const view_problem *p = view_at (v, top + (size_t)i);
        if (p)
            err = lines_problem (p, (size_t)s->width, &s->line);
        put (s, y++, p && p->key == s->problem ? A_REVERSE : A_NORMAL);
    }
    return y;
}

static attr_t attributes_of (const view_problem *p, node_ref ref, bool chosen)
{
    uint8_t mark = view_node_of (p, ref)->mark;
    attr_t look = mark == MARK_PRUNED || mark == MARK_FAILED ? A_DIM
                  : mark == MARK_ANSWER                      ? A_BOLD
                                                             : A_NORMAL;
    return chosen ? look | A_REVERSE : look;
}

static void draw_tree (struct screen *s, const view_problem *p, int y)
{
    const view_node *n = p ? view_node_of (p, s->node) : NULL;
    size_t room = (size_t)(s->height - 2 - y > 0 ? s->height - 2 - y : 0), row = selected_row (s);
    esp_err err = esp_buf_puts (&s->line, p ? "-- tree; node " : "-- no open problem ");
    if (err == ESP_OK && n)
        err = view_path (p, s->node, &s->line);
    if (err == ESP_OK && n && n->why)
        err = esp_buf_puts (&s->line, ": ");
    if (err == ESP_OK && n && n->why)
        err = lines_text (span_of (n->why), 60, &s->line);
    put (s, y++, A_DIM);
    if (row < s->first_row)
        s->first_row = row;
    if (room > 0 && row >= s->first_row + room)
        s->first_row = row - room + 1;
    for (size_t i = 0; i < room; i++, y++) {
        size_t at = s->first_row + i;
        if (err == ESP_OK && p && at < s->row_count)
            err = lines_node (p, s->rows[at], (size_t)s->width, &s->line);
        put (s, y, p && at < s->row_count ? attributes_of (p, s->rows[at], at == row) : A_NORMAL);
    }
}

static void draw (struct screen *s)
{
    const view_problem *p = selected (s);
    int list, y;
    getmaxyx (stdscr, s->height, s->width);
    if (s->height < 10 || s->width < 40) {
        erase ();
        mvaddnstr (0, 0, "the terminal is too small", s->width);
        refresh ();
        return;
    }
    if (!p || !view_node_of (p, s->node))
        s->node = NODE_ROOT;
    collect_rows (s, p);
    list = (s->height - HEAD) / 4;
    if (view_count (s->f->view) < (size_t)list)
        list = (int)view_count (s->f->view) +
               1; /* an empty line, so that it does not jump with each problem */
    draw_head (s);
    y = draw_list (s, HEAD, list);
    draw_tree (s, p, y);
    if (lines_text (span_of (s->message[0] ? s->message : keys), (size_t)s->width - 1, &s->line) ==
        ESP_OK)
        put (s, s->height - 1, s->message[0] ? A_BOLD : A_DIM);
    refresh ();
}

/* ---- keys ---- */

static void path_of_node (struct screen *s, const view_problem *p, char *out, size_t size)
{
    esp_buf path = {0};
    if (view_path (p, s->node, &path) != ESP_OK)
        esp_buf_clear (&path);
    snprintf (out, size, "%s", esp_buf_text (&path));
    esp_buf_free (&path);
}

static void ask (struct screen *s, int key)
{
    const view_problem *p = selected (s);
    char path[256] = "";
    if (key != 's' && !p)
        return;
    if (p)
        path_of_node (s, p, path, sizeof (path));
    s->asked = key;
    if (key == 's')
        snprintf (s->message, sizeof (s->message), "stop the whole run (resumable)? y/n");
    else if (key == 'f')
        snprintf (s->message, sizeof (s->message), "finish problem #%u now with what it has? y/n",
                  problem_number (p->key));
    else
        snprintf (s->message, sizeof (s->message),
                  "prune node %s of problem #%u and all below it? y/n", path,
                  problem_number (p->key));
}

static void command_now (struct screen *s, int key)
{
    const view_problem *p = selected (s);
    control_message m = {.kind = key == 's' ? CONTROL_STOP : CONTROL_COMMAND};
    esp_error error = {0};
    s->asked = 0;
    if (key != 's' && !p)
        return;
    if (key != 's')
        m.problem = p->key;
    m.command = (command){.kind = key == 'p'   ? COMMAND_PRUNE
                                  : key == 'b' ? COMMAND_BOOST
                                               : COMMAND_FINISH,
                          .node = key == 'f' ? NODE_NONE : s->node,
                          .value = key == 'b' ? 1.0 : 0.0};
    snprintf (s->message, sizeof (s->message), "waiting for the run ...");
    draw (s);
    if (follow_ask (s->f, &m, &error) == ESP_OK)
        snprintf (s->message, sizeof (s->message), "%s",
                  key == 'p'   ? "pruned"
                  : key == 'b' ? "boosted by 1: work below this node goes first"
                  : key == 'f' ? "the problem is finished"
                               : "the run is stopping");
    else
        snprintf (s->message, sizeof (s->message), "not done: %.480s", error.text);
}

/* Returns false to quit. */
static bool take_key (struct screen *s, int key)
{
    int page = s->height > 10 ? s->height / 2 : 5;
    if (s->asked) {
        int asked = s->asked;
        s->asked = 0;
        s->message[0] = 0;
        if (key == 'y' || key == 'Y')
            command_now (s, asked);
        return key != CTRL_C;
    }
    s->message[0] = 0;
    if (key == 'q' || key == CTRL_C)
        return false;
    if (key == KEY_UP || key == 'k')
        move_node (s, -1);
    else if (key == KEY_DOWN || key == 'j')
        move_node (s, 1);
    else if (key == KEY_PPAGE || key == KEY_NPAGE)
        move_node (s, key == KEY_PPAGE ? -page : page);
    else if (key == KEY_HOME || key == 'g' || key == KEY_END || key == 'G')
        move_node (s, key == KEY_HOME || key == 'g' ? -(long)s->row_count : (long)s->row_count);
    else if (key == KEY_LEFT || key == 'h' || key == KEY_RIGHT || key == 'l')
        move_problem (s, key == KEY_LEFT || key == 'h' ? -1 : 1);
    else if (key == 'o')
        s->only_kept = !s->only_kept;
    else if (key == CTRL_L)
        clear ();
    else if (key == 'b')
        command_now (s, 'b');
    else if (key == 'p' || key == 'f' || key == 's')
        ask (s, key);
    return true;
}

bool screen_run (follow *f, int signals)
{
    struct screen s = {.f = f};
    struct pollfd leave = {signals, POLLIN, 0};
    SCREEN *terminal = newterm (NULL, stdout, stdin);
    bool on = true;
    if (!terminal)
        return false;
    raw (); /* Ctrl-C is a key: the terminal is always put back */
    noecho ();
    keypad (stdscr, TRUE);
    nodelay (stdscr, TRUE);
    curs_set (0);
    while (on && poll (&leave, 1, 0) <= 0) {
        bool pressed = false;
        for (int key; on && (key = getch ()) != ERR; pressed = true)
            on = take_key (&s, key);
        if (f->changed || pressed) {
            f->changed = false;
            view_drop_finished (f->view, s.problem);
            draw (&s);
        }
        if (on)
            follow_step (f, STEP_MS);
    }
    endwin ();
    delscreen (terminal);
    esp_free (s.rows);
    esp_buf_free (&s.line);
    return true;
}
