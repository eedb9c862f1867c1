/* SPDX-License-Identifier: Apache-2.0 */
/* search_early.c - asks that follow from an open join whatever its missing items bring
 *
 * A level ends with its slowest item.  Long before, most of its survivors are certain: the best of 62 known branches out of 64 stay
 * among the best 16 whatever the other two score.  strategy.sure() says which asks follow from them; they are planned at once,
 * and the next join takes them over when the strategy opens it.  Same answers (D4): an ask's identity is its path, which does not
 * depend on when it was planned; nothing is guessed, so nothing is wasted.
 *
 * Only where no cap could shrink or refuse what is asked later (D13): no cap on steps or tokens, and generations left for the
 * largest level that can follow.
 *
 * Invariants:
 *   I1  early asks hold nothing of the account: the join that takes them over holds and is charged for them
 *   I2  an early ask with from == NODE_NONE was taken over; its slots belong to the other join
 */

#include <assert.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"

enum {
    LARGEST =
        1024, /* asks of a join; larger ones keep all slots busy anyhow, and would cost time */
    FEW = 64  /* asks that need no memory of their own */
};

/* When a quarter of the missing ones came since the last look: a look sorts all that is known. */
static bool is_worth_a_look (const join *j)
{
    size_t missing = j->count - j->done, before = j->count - j->looked;
    return j->count <= LARGEST && j->done > 0 && missing > 0 && 4 * missing <= 3 * before;
}

static bool may_be_early (const lane *l)
{
    const budget *cap = &l->account.cap;
    return l->open == 1 && !l->ended && !l->first->dropped && is_worth_a_look (l->first) &&
           cap->steps == BUDGET_UNLIMITED && cap->generated_tokens == BUDGET_UNLIMITED &&
           cap->scored_tokens == BUDGET_UNLIMITED;
}

/* Has this item's branch its early asks already? */
static bool is_begun (const join *j, node_ref from)
{
    for (const join *e = j->early; e; e = e->next)
        for (size_t i = 0; i < e->count; i++)
            if (e->asks[i].want.from == from)
                return true;
    return false;
}

static esp_err begin_early (search *s, join *j, const ask *asks, size_t n)
{
    join *e = new_early (s, j->lane, asks, n);
    esp_err err = ESP_OK;
    if (!e)
        return ESP_ENOMEM;
    e->next = j->early;
    j->early = e;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if ((err = plant_child (s, &e->asks[i])) == ESP_OK)
            err = plan_ask (s, e, i);
    return err;
}

static size_t begun (const join *j)
{
    size_t n = 0;
    for (const join *e = j->early; e; e = e->next)
        n += e->count;
    return n;
}

/* Plan those of the sure asks that are not begun. */
static esp_err begin_fresh (search *s, join *j, ask *asks, size_t count)
{
    size_t fresh = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_begun (j, asks[i].from))
            asks[fresh++] = asks[i];
    return fresh > 0 ? begin_early (s, j, asks, fresh) : ESP_OK;
}

/* items: of the whole join. */
static esp_err look_at_items (search *s, join *j, const item *items)
{
    const strategy *how = s->setup->strategy;
    ask few[FEW] = {{.from = NODE_ROOT}}, *asks = few;
    size_t most = 0, count = how->sure (s, s->me, items, j->count, few, FEW, &most);
    esp_err err;
    if (count <= begun (j) || most > account_left (&s->lanes[j->lane].account).generations)
        return ESP_OK;
    if (count > FEW) {
        if (!(asks = esp_calloc (count, sizeof (*asks))))
            return ESP_OK; /* nothing begins early */
        how->sure (s, s->me, items, j->count, asks, count, &most);
    }
    err = begin_fresh (s, j, asks, count);
    if (asks != few)
        esp_free (asks);
    return err;
}

static esp_err look_at_join (search *s, join *j)
{
    item *items;
    esp_err err = ESP_OK;
    j->looked = j->done;
    if (s->setup->strategy->sure (s, s->me, NULL, j->count - j->done, NULL, 0, NULL) == 0)
        return ESP_OK;
    items = esp_reallocarray (NULL, j->count, sizeof (*items));
    for (size_t i = 0; items && i < j->count; i++) {
        items[i] = j->asks[i].got;
        items[i].missing = j->asks[i].stage != STAGE_DONE;
    }
    if (items)
        err = look_at_items (s, j, items);
    esp_free (items);
    return err;
}

esp_err ask_early (search *s)
{
    esp_err err = ESP_OK;
    if (!s->setup->strategy->sure || s->setup->count_prompts)
        return ESP_OK;
    assert (!s->setup->strategy->enough); /* it would see early items */
    for (uint32_t l = 0; l < s->lane_count && err == ESP_OK; l++)
        if (s->lanes[l].first && may_be_early (&s->lanes[l]))
            err = look_at_join (s, s->lanes[l].first);
    return err;
}

/* ---- taken over ---- */

static bool same_ask (const ask *a, const ask *b)
{
    return a->from == b->from && a->mode == b->mode && a->greedy == b->greedy &&
           a->lookahead == b->lookahead && a->scores == b->scores && a->verifier == b->verifier &&
           a->action == b->action && a->how == b->how;
}

static void move_ask (search *s, ask_state *early, join *j, size_t index)
{
    ask_state *a = &j->asks[index];
    const ask want = a->want;
    const budget held = a->held;
    for (uint32_t i = 0; i < early->task_count; i++) {
        task_slot *slot = find_slot (s, early->first_task + i);
        if (slot) {
            slot->owner = j;
            slot->index = (uint32_t)index;
        }
    }
    *a = *early;
    a->want = want;
    a->held = held;
    a->got.tag = want.tag;
    j->done += a->stage == STAGE_DONE;
    early->want.from = NODE_NONE; /* I2 */
    early->task_count = 0;
}

bool take_early (search *s, join *j, size_t index)
{
    const ask *want = &j->asks[index].want;
    ask_state *found = NULL;
    if (!s->handing)
        return false;
    for (join *e = s->handing->early; e && !found; e = e->next)
        for (size_t i = 0; i < e->count && !found; i++)
            if (same_ask (&e->asks[i].want, want))
                found = &e->asks[i];
    if (found)
        move_ask (s, found, j, index);
    return found != NULL;
}

void drop_early (search *s, join *j, bool forget)
{
    for (join *e = j->early, *next; e; e = next) {
        next = e->next;
        for (size_t i = 0; i < e->count; i++)
            if (e->asks[i].want.from != NODE_NONE && (forget || e->asks[i].stage != STAGE_DONE))
                cancel_ask (s, e, i, forget);
        esp_free (e);
    }
    j->early = NULL;
}
