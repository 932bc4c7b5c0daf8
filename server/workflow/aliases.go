package workflow

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// AliasLikeName is the code of the flag on an alias that looks like the name of somebody on the people list.
const AliasLikeName = "alias_like_name"

// Aliases follows the logs of sites and warns of aliases that are, or hold, the name of a person of an organisation
// that takes part. Nothing is refused: villagers share names with officials. The flag names nobody; it says which
// record to look at.
type Aliases struct {
	store  Store
	commit Committer
}

// NewAliases makes the follower.
func NewAliases(s Store, c Committer) *Aliases { return &Aliases{store: s, commit: c} }

// Name is under which name its place in the log is kept.
func (f *Aliases) Name() string { return "alias" }

// Types says which scopes it follows.
func (f *Aliases) Types() []field.ScopeType { return []field.ScopeType{field.ScopeSite} }

// Entry looks at the aliases that an entry sets. Each record is flagged once for each time that its alias was set,
// however often the entry is given.
func (f *Aliases) Entry(ctx context.Context, e store.Entry) error {
	body, err := protocol.Open(e)
	if err != nil {
		return err
	}
	var ids []field.RecordID
	for _, c := range body.Changes {
		set := c.Set
		if c.Op > 0 && c.Op <= len(body.Ops) {
			set = body.Ops[c.Op-1].Set
		}
		if set["alias"] != nil {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	records, err := f.store.Records(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Kind != field.KindInterview && r.Kind != field.KindHousehold || r.Deleted || r.Stamps["alias"].Seq != e.Seq {
			continue
		}
		like, err := f.likeName(ctx, r.Info.Orgs, r.Text("alias"))
		if err != nil {
			return fmt.Errorf("alias of %s: %w", r.ID, err)
		}
		if like {
			if err := f.warn(ctx, r, e.Seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// likeName reports whether an alias is or holds the name of somebody of the organisations, whatever space and signs are
// in it.
func (f *Aliases) likeName(ctx context.Context, orgs []field.OrgID, alias string) (like bool, err error) {
	alias = lettersOf(alias)
	for _, org := range orgs {
		q := store.Query{
			Visible: access.Everything, Scope: field.MakeScope(field.ScopeOrg, string(org)), Kinds: []field.Kind{field.KindPerson}, Limit: wholePage,
		}
		err := store.EachPage(ctx, f.store, q, func(people []*field.Record) error {
			for _, p := range people {
				name := lettersOf(p.Text("name"))
				like = like || utf8.RuneCountInString(name) >= 2 && strings.Contains(alias, name)
			}
			return nil
		})
		if err != nil || like {
			return like, err
		}
	}
	return false, nil
}

func lettersOf(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s))
}

func (f *Aliases) warn(ctx context.Context, r *field.Record, seq int64) error {
	set := values{
		"code": AliasLikeName, "rule": "A1/1", "severity": "review", "reportId": r.Text("reportId"), "targetId": r.ID,
		"zh": "化名与人员名单中的姓名相似，请核对是否写了真实姓名。",
		"en": "The alias is like a name on the people list. See whether a real name was written.",
	}
	_, err := f.commit.Commit(ctx, protocol.Batch{
		Actor: &access.Actor{Server: true}, Device: field.DeviceID("server/alias/" + string(r.ID)), Number: seq, Scope: r.Scope, Strict: true, Trusted: true,
		Operations: []protocol.Operation{{ID: field.RandomID(time.Now()), Kind: field.KindFlag, Set: set.quoted()}},
	})
	if field.Is(err, field.CodeBatchReused) { // it was flagged before, under another random id
		return nil
	}
	return err
}
