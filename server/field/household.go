package field

import "fmt"

// What names or points at private people does not lie in org/, which units read that may be accused: who lives at a
// site and who of them petitioned lies in the site's scope, who was paid in the ledger of the project. See
// docs/decisions/scopes.md.

var householdSpec = &Spec{
	Kind: KindHousehold, ZH: "走访户", EN: "household", Opens: OpensNone, Filed: FiledNone, Shown: ShownNone, Home: ScopeSite,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}, {Code: "voided", ZH: "已作废", EN: "voided"}},
	Editable: []State{StateActive},
	Fields: []Field{
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Once: true, Key: true, ZH: "项目点", EN: "site"},
		{Name: "alias", Type: Text, Max: 40, Required: true, ZH: "化名", EN: "alias"},
		{Name: "petitioned", Type: Bool, ZH: "信访户", EN: "it petitioned"},
		{Name: "stratum", Type: Enum, Choices: households, ZH: "户类型", EN: "household stratum"},
		voidReason,
	},
	Commands: []Command{void(StateActive)},
	Desk:     householdDesk,
}

// householdDesk is what the desk offers of it.
var householdDesk = &Desk{
	Group: "reference", Within: "siteId",
	Filters: []Filter{
		{Name: "siteId", Says: "Of this site."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Note a household that lives at a site; it lies in the scope of the site.",
			More: "For supervisors. It has an alias and no name: `identity_in_text` when a number of a person stands in " +
				"it.",
			Example: "siteId: '0193a000-0000-7000-8000-000000000051', alias: 甲户, stratum: registered_poor",
		},
		{
			Verb: "list", Says: "Households of sites.",
			More: "Those of the sites that you may read, with the filters below.",
		},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change what is noted of a household.",
			More:    "For supervisors. `stale_version` when the record has changed since `version`.",
			Example: "petitioned: true",
		},
		{
			Verb: "void", Says: "Take a household off the list.",
			More:    "For supervisors, with a reason. It comes to the phones as deleted and stays in the log.",
			Example: "reason: 重复登记",
		},
	},
}

var paymentFields = []Field{
	{Name: "date", Type: Date, Required: true, ZH: "日期", EN: "date"},
	{Name: "amount", Type: Number, Low: 0, High: 1e12, Required: true, ZH: "金额（元）", EN: "amount (CNY)"},
	{Name: "payee", Type: Text, Max: 100, ZH: "收款方", EN: "payee"},
	{Name: "payeeKind", Type: Enum, Choices: payeeKinds, ZH: "收款方类型", EN: "kind of payee"},
	{Name: "accountMasked", Type: Text, Max: 30, ZH: "账号（掩码）", EN: "account, masked"},
	{Name: "accountHash", Type: Hash, ZH: "账号哈希", EN: "keyed hash of the account"},
}

var paymentSpec = &Spec{
	Kind: KindPayment, ZH: "付款", EN: "payment", Opens: OpensNone, Filed: FiledNone, Home: ScopeLedger,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}, {Code: "voided", ZH: "已作废", EN: "voided"}},
	Editable: []State{StateActive},
	Fields: append([]Field{
		{Name: "projectId", Type: ID, Of: KindProject, Required: true, Once: true, Key: true, ZH: "项目", EN: "project"},
	}, append(paymentFields[:len(paymentFields):len(paymentFields)], voidReason)...),
	Made: func(c *Case) error {
		if c.Record.Text("projectId") != c.Record.Scope.ID() {
			return Refuse(CodeWrongScope, "projectId is another project than that of the scope.").InChinese("projectId 与该范围所属的项目不一致。")
		}
		return nil
	},
	Commands: []Command{void(StateActive)},
	Desk:     paymentDesk,
}

// paymentDesk is what the desk offers of it.
var paymentDesk = &Desk{
	Group: "reference", Within: "projectId",
	Filters: []Filter{
		{Name: "projectId", Says: "Of this project."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Enter a payment into the ledger of a project, which supervisors, clue managers, leaders and auditors read.",
			More: "For supervisors. It lies in the ledger of the project, and only who reads that sees it. Refused with " +
				"`not_found` when there is no such project, or none that you may see.",
			Example: "projectId: 0193a000-0000-7000-8000-000000000041, date: '2026-06-30', amount: 360000, payee: " +
				"某建筑公司, payeeKind: unit",
		},
		{
			Verb: "list", Says: "Payments of projects.",
			More: "Those of the projects whose ledger you may read, with the filters below.",
		},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change a payment.",
			More: "For supervisors; every version stays in the log. `stale_version` when the record has changed since " +
				"`version`.",
			Example: "amount: 350000",
		},
		{
			Verb: "void", Says: "Take a payment out of the ledger.",
			More:    "For supervisors, with a reason. It stays in the log.",
			Example: "reason: 重复登记",
		},
	},
}

// LedgerScope is where the payments of a project lie.
func LedgerScope(project ProjectID) Scope { return MakeScope(ScopeLedger, string(project)) }

// openLedger makes the scope of a project's payments, for the organisation that keeps the project.
func openLedger(c *Case) error {
	c.Effect(Effect{Scope: LedgerScope(ProjectID(c.Record.ID)), Info: &ScopeInfo{
		Orgs: []OrgID{OrgID(c.Record.Scope.ID())}, Region: c.Record.Text("county"), Project: ProjectID(c.Record.ID),
	}})
	return nil
}

// apart is the command with which the server moves what an older one kept in a record of org/ to where it lies now, one
// record for each item, in the same commit.
func apart(name string, kind Kind, parent string, fields []Field, home func(*Case) (Scope, error)) Command {
	return Command{Name: "apart", ZH: "移出", EN: "move apart", Server: true, Do: func(c *Case) error {
		scope, err := home(c)
		if err != nil {
			return err
		}
		var items []map[string]Value
		if err := c.Record.Decode(name, &items); err != nil {
			return Refuse(CodeWrongType, "%s cannot be read.", name).InChinese("%s 无法读取。", name).Because(err)
		}
		for i, item := range items {
			set := map[string]Value{parent: Quote(c.Record.ID)}
			for _, f := range fields {
				if v := item[f.Name]; v != nil {
					set[f.Name] = v
				}
			}
			c.Effect(Effect{ID: ServerID(string(kind), string(c.Record.ID), fmt.Sprint(c.Record.Version, i)), Kind: kind, Scope: scope, Make: true, Set: set})
		}
		c.Set(name, nil)
		return nil
	}}
}

// Moved reports whether a field that lies elsewhere now is among what is to be set: whatever comes of it, it is not
// kept where the field was.
func (s *Spec) Moved(set map[string]Value) bool {
	for path := range set {
		if f := s.Named(path); f != nil && f.Moved != "" {
			return true
		}
	}
	return false
}

// HeldInOrg reports whether a record of org/ still holds what lies elsewhere now.
func HeldInOrg(r *Record) bool {
	return r.Kind == KindProject && r.Fields["payments"] != nil || r.Kind == KindSite && r.Fields["households"] != nil
}
