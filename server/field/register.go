package field

import (
	"encoding/json"
	"fmt"
	"time"
)

// Gap is a run of numbers that a register passes over, because the server was put back to a copy: they may have been
// given, signed and sent away since the copy was made, by a history that is gone.
type Gap struct {
	From int64  `json:"from"`
	To   int64  `json:"to"`
	At   string `json:"at"`   // when it was put back
	Copy string `json:"copy"` // the newest entry in the copy
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

// How many numbers are passed over: more than people can have given. Numbers are given one by one, by somebody who has
// read the clue: a quarter's pool of leads is some hundreds, and no office gives one a minute day and night.
const (
	numbersAtOnce    = 1000
	numbersPerMinute = 1
)

// Lost is how many numbers may have been given since the newest entry of a copy. earlier is how often this same copy
// was put back before: each time its numbers began above the ones before.
func Lost(copied, now time.Time, earlier int) int64 {
	minutes := max(0, int64(now.Sub(copied)/time.Minute)+1)
	return numbersAtOnce*int64(earlier+1) + numbersPerMinute*minutes
}

var registerSpec = &Spec{
	Kind: KindRegister, ZH: "线索台账", EN: "clue register", Home: ScopeRegister, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}},
	Fields: []Field{
		{Name: "year", Type: Integer, Low: 2000, High: 2100, Server: true, ZH: "年度", EN: "year"},
		{Name: "last", Type: Integer, Low: 0, High: 1e9, Server: true, ZH: "末号", EN: "the last number"},
		{Name: "gaps", Type: Object, List: true, Items: 1000, Server: true, ZH: "跳号", EN: "numbers that were passed over, and why", Fields: []Field{
			{Name: "from", Type: Integer, Low: 1, High: 1e9, Required: true, ZH: "起", EN: "from"},
			{Name: "to", Type: Integer, Low: 1, High: 1e9, Required: true, ZH: "止", EN: "to"},
			{Name: "at", Type: Time, Required: true, ZH: "时间", EN: "time"},
			{Name: "copy", Type: Time, Required: true, ZH: "恢复所用备份的时间", EN: "time of the copy that was put back"},
			{Name: "zh", Type: Text, Max: 500, ZH: "中文", EN: "in Chinese"},
			{Name: "en", Type: Text, Max: 500, ZH: "英文", EN: "in English"},
		}},
	},
	Commands: []Command{{
		Name: "skip", ZH: "跳号", EN: "pass over numbers after a restore", Server: true,
		Args: []Field{{Name: "numbers", Type: Integer, Low: 1, High: 1e9, Required: true, ZH: "跳过的号数", EN: "numbers to skip"}, {Name: "copy", Type: Time, Required: true, ZH: "恢复所用备份的时间", EN: "time of the copy that was put back"}},
		Do:   skipNumbers,
	}},
	Desk: registerDesk,
}

// registerDesk is what the desk offers of it.
var registerDesk = &Desk{
	Group: "clues",
	Acts: []Act{
		{
			Verb: "list", Says: "The registers of clue numbers.",
			More: "One for each organisation and year, for clue managers and auditors. `gaps` are numbers that were " +
				"passed over, and why: after the server was put back to a copy, no number is given again that may " +
				"have been given since the copy was made.",
		},
	},
}

// RegisterOf finds the register of an organisation and year, or the id under which it is to be made; then the record is
// nil.
func RegisterOf(look Lookup, org OrgID, year int) (RecordID, *Record, error) {
	return Own(look, DeriveID(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), "register", string(org)), KindRegister, MakeScope(ScopeRegister, string(org)))
}

// YearOf is the year in whose register a clue is entered at a time.
func YearOf(at time.Time) int { return at.In(Beijing).Year() }

// registerClue gives the next number of the organisation and year: "gz-liwan-2026-0017". The register is raised in the
// same commit, so numbers are unique, and without gaps but those that the register explains.
func registerClue(c *Case) error {
	org, year := OrgID(c.Record.Text("managingOrg")), YearOf(c.Now)
	id, register, err := RegisterOf(c.Look, org, year)
	if err != nil {
		return err
	}
	next := int64(1)
	if register != nil {
		next = register.Int("last") + 1
	}
	c.Effect(Effect{ID: id, Kind: KindRegister, Scope: MakeScope(ScopeRegister, string(org)), Make: register == nil, Set: map[string]Value{"year": Quote(year), "last": Quote(next)}})
	c.Set("number", fmt.Sprintf("%s-%d-%04d", org, year, next))
	return nil
}

func skipNumbers(c *Case) error {
	var gaps []Gap
	if err := c.Record.Decode("gaps", &gaps); err != nil {
		return err
	}
	var numbers int64
	if err := json.Unmarshal(c.Args["numbers"], &numbers); err != nil {
		return err
	}
	last := c.Record.Int("last")
	to := last + numbers
	c.Set("last", to)
	c.Set("gaps", append(gaps, Gap{
		From: last + 1, To: to, At: stamp(c.Now), Copy: c.Arg("copy"),
		ZH: fmt.Sprintf("服务器由备份恢复，备份截至 %s；此段编号可能已在其后发出，不再使用。", c.Arg("copy")),
		EN: fmt.Sprintf("The server was put back to a copy that ends at %s. These numbers may have been given after it, and are not given again.", c.Arg("copy")),
	}))
	return nil
}
