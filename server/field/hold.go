package field

// States of a legal hold.
const (
	HoldHeld     State = "held"
	HoldReleased State = "released"
)

// holdSpec says that an original is under legal hold, as the server has set it where the bytes lie. It stands in the
// register of the organisation whose clue asks for it, because anyone who hears of a hold hears of a registered clue.
var holdSpec = &Spec{
	Kind: KindHold, ZH: "法律保全", EN: "legal hold of an original", Home: ScopeRegister, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: HoldHeld, States: []Choice{{Code: "held", ZH: "保全中", EN: "held"}, {Code: "released", ZH: "已解除", EN: "released"}},
	Fields: []Field{
		{Name: "sha256", Type: Hash, Required: true, Once: true, Server: true, Key: true, ZH: "原件的 SHA-256", EN: "SHA-256 of the original"},
		{Name: "clueId", Type: ID, Of: KindClue, Required: true, Once: true, Server: true, Key: true, ZH: "线索", EN: "the clue that asked for it first"},
	},
	Commands: []Command{{Name: "release", ZH: "解除", EN: "release", Server: true, From: []State{HoldHeld}, To: HoldReleased}},
	Use:      UseHold,
	Trace: &Trace{Key: "sha256", Bytes: true, ID: "holdId", Steps: []Step{
		{Code: StepHoldSet, Set: []string{"sha256"}, Now: []string{"clueId"}},
		{Code: StepHoldReleased, State: HoldReleased, Now: []string{"clueId"}},
	}},
	Rank: func(r *Record) string { return RankNewest(r.CreatedAt) },
}
