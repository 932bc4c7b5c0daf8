package field

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Who can sign in as whom, from which device, and who did: all of it stands in the log, in signin/<org>, which nobody
// pulls. Secrets do not: of a password the log has the SHA-256 of its Argon2id text, of a one-time code the SHA-256 of
// the code, of a session that it was opened and closed. The texts themselves are working documents, worth nothing
// unless a record names them.

// SigninScope is where the accounts of an organisation are.
func SigninScope(org OrgID) Scope { return MakeScope(ScopeSignin, string(org)) }

// AccountID is the id of the account with a sign-in name: a name is given once in an organisation.
func AccountID(org OrgID, login string) RecordID { return ServerID("account", string(org), login) }

// DeviceRecord is the id of the record of a device. There is one wherever the device is enrolled: it belongs to one
// person.
func DeviceRecord(id DeviceID) RecordID { return ServerID("device", string(id)) }

// CodeID is the id of the record of a one-time code: who knows the code finds it, and nobody else can work it out.
func CodeID(code string) RecordID { return ServerID("code", CodeDigest(code)) }

// CodeDigest is what is kept of a one-time code.
func CodeDigest(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// States of the kinds below.
const (
	DeviceMoving  State = "moving"  // it hands in what is on it, and does nothing else
	DeviceMoved   State = "moved"   // its outbox is empty: the hardware is free for somebody else, under a new id
	DeviceRevoked State = "revoked" //
	CodeOpen      State = "open"
	CodeUsed      State = "used"
	CodeWithdrawn State = "withdrawn"
)

// What a one-time code is good for.
const (
	ForDevice   = "device"
	ForPassword = "password"
)

// Why a session ended.
const (
	EndSignedOut = "signed_out"
	EndReused    = "refresh_reused"
	EndPassword  = "password_changed"
	EndReset     = "password_reset"
	EndMoved     = "device_moved"
	EndReplaced  = "replaced"
	EndExpired   = "expired"
)

var (
	codePurposes = []Choice{{Code: ForDevice, ZH: "登记设备", EN: "enrol a device"}, {Code: ForPassword, ZH: "重设密码", EN: "set a new password"}}
	sessionEnds  = []Choice{
		{Code: EndSignedOut, ZH: "主动退出", EN: "signed out"},
		{Code: EndReused, ZH: "刷新令牌被重复使用", EN: "a refresh token was used twice"},
		{Code: EndPassword, ZH: "密码已更改", EN: "the password was changed"},
		{Code: EndReset, ZH: "密码已重设", EN: "the password was reset"},
		{Code: EndMoved, ZH: "设备已移交", EN: "the device was moved"},
		{Code: EndReplaced, ZH: "同一设备登录过多", EN: "the device was signed in anew too often"},
		{Code: EndExpired, ZH: "已过期", EN: "expired"},
	}
)

// SessionsOfDevice is how many sessions a device may have open at once: an app that is installed anew leaves one
// behind.
const SessionsOfDevice = 8

var accountSpec = &Spec{
	Kind: KindAccount, ZH: "登录账号", EN: "account", Home: ScopeSignin, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}},
	Fields: []Field{
		{Name: "login", Type: Text, Max: 64, Required: true, Once: true, Server: true, Key: true, ZH: "登录名", EN: "sign-in name"},
		{Name: "personId", Type: ID, Of: KindPerson, Required: true, Once: true, Server: true, Key: true, ZH: "人员", EN: "person"},
		{Name: "digest", Type: Hash, Required: true, Server: true, Key: true, ZH: "密码的 Argon2id 文本的 SHA-256", EN: "SHA-256 of the Argon2id text of the password"},
		{Name: "setAt", Type: Time, Server: true, ZH: "密码设置时间", EN: "when the password was set"},
		{Name: "setBy", Type: ID, Of: KindPerson, Server: true, ZH: "密码设置人", EN: "who set the password"},
	},
	Made: signinScope,
	Commands: []Command{{
		Name: "set", ZH: "设置密码", EN: "set the password", From: []State{StateActive}, Server: true,
		Args: []Field{
			{Name: "digest", Type: Hash, Required: true, ZH: "密码摘要", EN: "digest of the password"},
			{Name: "before", Type: Hash, ZH: "原摘要", EN: "the digest that it replaces; missing: whichever"},
			{Name: "why", Type: Enum, Choices: sessionEnds, Required: true, ZH: "原因", EN: "why"},
			{Name: "keep", Type: ID, Of: KindSession, ZH: "保留的会话", EN: "the session that stays open"},
		},
		Do: func(c *Case) error {
			if before := c.Arg("before"); before != "" && before != c.Record.Text("digest") {
				return Refuse(CodeStale, "The password was changed meanwhile.").InChinese("密码在此期间已被更改。")
			}
			c.Set("digest", c.Arg("digest"))
			c.Set("setAt", stamp(c.Now))
			c.Set("setBy", c.Who.User)
			return closeSessions(c, KeyFor("openFor", c.Record.Text("personId")), c.Arg("why"), func(s *Record) bool {
				return string(s.ID) != c.Arg("keep")
			})
		},
	}},
}

var deviceSpec = &Spec{
	Kind: KindDevice, ZH: "设备", EN: "device", Home: ScopeSignin, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: StateActive, States: []Choice{
		{Code: "active", ZH: "在用", EN: "in use"},
		{Code: "moving", ZH: "移交中", EN: "being moved"},
		{Code: "moved", ZH: "已移交", EN: "moved"},
		{Code: "revoked", ZH: "已吊销", EN: "revoked"},
	},
	Fields: []Field{
		{Name: "deviceId", Type: Text, Max: 36, Required: true, Once: true, Server: true, Key: true, ZH: "设备编号", EN: "id that the device made"},
		{Name: "personId", Type: ID, Of: KindPerson, Required: true, Once: true, Server: true, Key: true, ZH: "使用人", EN: "whose it is"},
		{Name: "name", Type: Text, Max: 100, Server: true, ZH: "名称", EN: "name"},
		{Name: "platform", Type: Text, Max: 50, Server: true, ZH: "平台", EN: "platform"},
		{Name: "codeBy", Type: ID, Of: KindPerson, Server: true, ZH: "代码签发人", EN: "who made the code it was enrolled with"},
		{Name: "liveFor", Type: Text, Max: 36, Server: true, Key: true, ZH: "在用人员", EN: "whose it is while it is in use"},
		{Name: "enrolledAt", Type: Time, Server: true, ZH: "登记时间", EN: "when it was enrolled"},
		{Name: "revokedAt", Type: Time, Server: true, ZH: "吊销时间", EN: "when it was revoked"},
		{Name: "revokedBy", Type: ID, Of: KindPerson, Server: true, ZH: "吊销人", EN: "who revoked it"},
		{Name: "movingSince", Type: Time, Server: true, ZH: "开始移交时间", EN: "since when it is being moved"},
		{Name: "movedAt", Type: Time, Server: true, ZH: "移交时间", EN: "when it was moved"},
		{Name: "why", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason for moving it"},
	},
	Made: signinScope,
	Rank: func(r *Record) string { return r.Text("deviceId") },
	Commands: []Command{
		{Name: "move", ZH: "移交", EN: "move", From: []State{StateActive}, To: DeviceMoving, Server: true, Args: []Field{reason}, Do: func(c *Case) error {
			c.Set("movingSince", stamp(c.Now))
			c.Set("why", c.Arg("reason"))
			return nil
		}},
		{Name: "arrive", ZH: "已交清", EN: "handed in", From: []State{DeviceMoving}, To: DeviceMoved, Server: true, Do: func(c *Case) error {
			c.Set("movedAt", stamp(c.Now))
			c.Set("liveFor", nil)
			return closeSessions(c, KeyFor("openFor", c.Record.Text("personId")), EndMoved, func(s *Record) bool {
				return s.Text("deviceId") == c.Record.Text("deviceId")
			})
		}},
		{Name: "revoke", ZH: "吊销", EN: "revoke", From: []State{StateActive, DeviceMoving, DeviceMoved}, To: DeviceRevoked, Server: true, Do: func(c *Case) error {
			if c.Record.Fields["revokedAt"] == nil {
				c.Set("revokedAt", stamp(c.Now))
			}
			if c.Record.Fields["revokedBy"] == nil && c.Who.User != "" {
				c.Set("revokedBy", c.Who.User)
			}
			c.Set("liveFor", nil)
			return nil
		}},
	},
}

var oneTimeSpec = &Spec{
	Kind: KindCode, ZH: "一次性代码", EN: "one-time code", Home: ScopeSignin, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: CodeOpen, States: []Choice{{Code: "open", ZH: "未使用", EN: "open"}, {Code: "used", ZH: "已使用", EN: "used"}, {Code: "withdrawn", ZH: "已撤回", EN: "withdrawn"}},
	Fields: []Field{
		{Name: "purpose", Type: Enum, Choices: codePurposes, Required: true, Once: true, Server: true, ZH: "用途", EN: "what it is good for"},
		{Name: "personId", Type: ID, Of: KindPerson, Required: true, Once: true, Server: true, Key: true, ZH: "人员", EN: "for whom it is"},
		{Name: "digest", Type: Hash, Required: true, Once: true, Server: true, ZH: "代码的 SHA-256", EN: "SHA-256 of the code"},
		{Name: "until", Type: Time, Ahead: true, Required: true, Once: true, Server: true, ZH: "有效期", EN: "until when it is good"},
		{Name: "openFor", Type: Text, Max: 36, Server: true, Key: true, ZH: "待用人员", EN: "for whom it is while it is open"},
		{Name: "afterDevice", Type: Text, Max: 36, Once: true, Server: true, ZH: "原设备", EN: "the device that must have been handed in before"},
		{Name: "usedAt", Type: Time, Server: true, ZH: "使用时间", EN: "when it was used"},
		{Name: "usedBy", Type: Text, Max: 36, Server: true, ZH: "使用设备", EN: "the device that used it"},
	},
	Made: func(c *Case) error {
		if err := signinScope(c); err != nil {
			return err
		}
		if c.Record.Text("purpose") == ForPassword { // somebody could sign in as this person with it
			c.Notify(UserID(c.Record.Text("personId")), Notice{
				Type: "info", ZH: "已为您签发重设密码的一次性代码。如非本人申请，请告知审计员。", EN: "A one-time code to set a new password for you was made. If you did not ask for it, tell the auditor.",
			})
		}
		return NewCode(c, c.Record.ID, OrgID(c.Record.Scope.ID()), c.Record.Text("purpose"), UserID(c.Record.Text("personId")), c.Record.Text("digest"), c.Record.Time("until"), c.Record.Text("afterDevice"))
	},
	Commands: []Command{
		{Name: "use", ZH: "使用", EN: "use", From: []State{CodeOpen}, To: CodeUsed, Server: true, Args: []Field{
			{Name: "device", Type: Text, Max: 36, ZH: "设备", EN: "device"},
			{Name: "name", Type: Text, Max: 100, ZH: "名称", EN: "name"},
			{Name: "platform", Type: Text, Max: 50, ZH: "系统", EN: "platform"},
			{Name: "most", Type: Integer, High: 1000, ZH: "设备上限", EN: "how many devices one person may have"},
		}, Do: useCode},
		{Name: "withdraw", ZH: "撤回", EN: "withdraw", From: []State{CodeOpen}, To: CodeWithdrawn, Server: true, Do: func(c *Case) error {
			c.Set("openFor", nil)
			return nil
		}},
	},
	Rank: func(r *Record) string { return RankNewest(r.CreatedAt) },
}

var sessionSpec = &Spec{
	Kind: KindSession, ZH: "登录", EN: "sign-in", Home: ScopeSignin, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: StateOpen, States: []Choice{{Code: "open", ZH: "在线", EN: "open"}, {Code: "closed", ZH: "已结束", EN: "closed"}},
	Fields: []Field{
		{Name: "personId", Type: ID, Of: KindPerson, Required: true, Once: true, Server: true, Key: true, ZH: "人员", EN: "who signed in"},
		{Name: "deviceId", Type: Text, Max: 36, Required: true, Once: true, Server: true, Key: true, ZH: "设备", EN: "on which device"},
		{Name: "openedAt", Type: Time, Required: true, Once: true, Server: true, ZH: "登录时间", EN: "when"},
		{Name: "openFor", Type: Text, Max: 36, Server: true, Key: true, ZH: "在线人员", EN: "whose it is while it is open"},
		{Name: "closedAt", Type: Time, Server: true, ZH: "结束时间", EN: "when it ended"},
		{Name: "why", Type: Enum, Choices: sessionEnds, Server: true, ZH: "结束原因", EN: "why it ended"},
	},
	Made: func(c *Case) error {
		if err := signinScope(c); err != nil {
			return err
		}
		return sessionBound(c, c.Record.Text("personId"), c.Record.Text("deviceId"))
	},
	Commands: []Command{{
		Name: "close", ZH: "结束", EN: "close", From: []State{StateOpen}, To: StateClosed, Server: true,
		Args: []Field{{Name: "why", Type: Enum, Choices: sessionEnds, Required: true, ZH: "原因", EN: "why"}},
		Do: func(c *Case) error {
			c.Set("why", c.Arg("why"))
			c.Set("closedAt", stamp(c.Now))
			c.Set("openFor", nil)
			return nil
		},
	}},
	Rank: func(r *Record) string { return RankNewest(r.Time("openedAt")) },
}

// signinScope keeps the scope open to the organisation alone: partners have no business with who signs in here.
func signinScope(c *Case) error {
	c.Effect(Effect{Scope: c.Record.Scope, Info: &ScopeInfo{Orgs: []OrgID{OrgID(c.Record.Scope.ID())}}})
	return nil
}

// closeSessions ends those of the sessions that match.
func closeSessions(c *Case, key, why string, match func(*Record) bool) error {
	open, err := c.Look.Find(KindSession, key)
	if err != nil {
		return err
	}
	for _, s := range open {
		if s.State == StateOpen && match(s) {
			closeSession(c, s, why)
		}
	}
	return nil
}

func closeSession(c *Case, s *Record, why string) {
	c.Effect(Effect{ID: s.ID, Kind: KindSession, Scope: s.Scope, State: StateClosed, Set: map[string]Value{
		"why": Quote(why), "closedAt": Quote(stamp(c.Now)), "openFor": nil,
	}})
}

// sessionBound closes the oldest sessions of a device when one more is opened than it may have.
func sessionBound(c *Case, person, device string) error {
	open, err := c.Look.Find(KindSession, KeyFor("openFor", person))
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(s *Record) bool {
		return s.State != StateOpen || s.Text("deviceId") != device || s.ID == c.Record.ID
	})
	slices.SortStableFunc(open, func(a, b *Record) int { return a.Time("openedAt").Compare(b.Time("openedAt")) })
	for len(open) >= SessionsOfDevice {
		closeSession(c, open[0], EndReplaced)
		open = open[1:]
	}
	return nil
}

// NewAccount gives somebody who was made in this very commit a name to sign in with. CodeTaken when the organisation
// has it.
func NewAccount(c *Case, org OrgID, login string, person UserID, digest string) error {
	if HasIdentity(login) {
		return Refuse(CodeIdentityInText, "A sign-in name is read by many: choose one that is no phone, ID or card number.").
			InChinese("登录名会被多人看到，请勿使用电话号码、身份证号或银行卡号。")
	}
	id := AccountID(org, login)
	old, err := c.Look.Get(id)
	if err != nil {
		return err
	}
	if old != nil {
		return Refuse(CodeTaken, "")
	}
	who, err := c.Look.Get(RecordID(person))
	if err != nil {
		return err
	}
	has, err := c.Look.Find(KindAccount, KeyFor("personId", person))
	if err != nil {
		return err
	}
	if who == nil || who.Kind != KindPerson || who.Scope != MakeScope(ScopeOrg, string(org)) || !who.CreatedAt.Equal(c.Now) || len(has) > 0 {
		return Refuse(CodeBadID, "The id is taken; make a new one.").InChinese("该编号已被使用，请另行生成。")
	}
	scope := SigninScope(org)
	c.Effect(Effect{Scope: scope, Info: &ScopeInfo{Orgs: []OrgID{org}}})
	set := map[string]Value{"login": Quote(login), "personId": Quote(person), "digest": Quote(digest), "setAt": Quote(stamp(c.Now))}
	if c.Who.User != "" {
		set["setBy"] = Quote(c.Who.User)
	}
	c.Effect(Effect{ID: id, Kind: KindAccount, Scope: scope, Make: true, Set: set})
	return nil
}

// NewCode makes a one-time code, unless it is the case's own record that is one; those for the same purpose that the
// person has and did not use are withdrawn.
func NewCode(c *Case, id RecordID, org OrgID, purpose string, person UserID, digest string, until time.Time, after string) error {
	open, err := c.Look.Find(KindCode, KeyFor("openFor", person))
	if err != nil {
		return err
	}
	for _, old := range open {
		if old.ID != id && old.State == CodeOpen && old.Text("purpose") == purpose {
			c.Effect(Effect{ID: old.ID, Kind: KindCode, Scope: old.Scope, State: CodeWithdrawn, Set: map[string]Value{"openFor": nil}})
		}
	}
	if c.Record.ID == id {
		c.Set("openFor", person)
		return nil
	}
	set := map[string]Value{
		"purpose": Quote(purpose), "personId": Quote(person), "digest": Quote(digest), "until": Quote(stamp(until)), "openFor": Quote(person),
	}
	if after != "" {
		set["afterDevice"] = Quote(after)
	}
	c.Effect(Effect{ID: id, Kind: KindCode, Scope: SigninScope(org), Make: true, Set: set})
	return nil
}

// useCode uses a one-time code up: one of its purpose, before its time is over; for a device that is nobody's yet.
func useCode(c *Case) error {
	r, device, person := c.Record, DeviceID(c.Arg("device")), c.Record.Text("personId")
	if c.Now.After(r.Time("until")) {
		return Refuse(CodeInvalidCode, "")
	}
	c.Set("usedAt", stamp(c.Now))
	c.Set("openFor", nil)
	if device != "" {
		c.Set("usedBy", device)
	}
	if r.Text("purpose") != ForDevice {
		return nil
	}
	if after := r.Text("afterDevice"); after != "" {
		before, err := c.Look.Get(DeviceRecord(DeviceID(after)))
		if err != nil {
			return err
		}
		if before != nil && before.Scope == r.Scope && (before.State == DeviceMoving || before.State == StateActive) {
			return Refuse(CodeDeviceMoving, "The device %s has not handed in its outbox yet.", after).InChinese("设备 %s 尚未交清发件箱。", after)
		}
	}
	return Enrol(c, OrgID(r.Scope.ID()), device, UserID(person), c.Arg("name"), c.Arg("platform"), string(r.Author), c.int("most"))
}

// Enrol binds a device to a person for ever. CodeForeignDevice when it is somebody else's, CodeTooManyDevices when the
// person has most of them. A device that is the person's already stays as it is.
func Enrol(c *Case, org OrgID, device DeviceID, person UserID, name, platform, codeBy string, most int) error {
	id := DeviceRecord(device)
	old, err := c.Look.Get(id)
	if err != nil {
		return err
	}
	switch {
	case old != nil && (old.Text("personId") != string(person) || old.Scope != SigninScope(org)):
		return Refuse(CodeForeignDevice, "The device is enrolled for somebody else. The app makes a new device id for each person.").
			InChinese("该设备已登记给他人；应用应为每个人生成新的设备编号。")
	case old != nil && old.State != StateActive:
		return Refuse(CodeDeviceRevoked, "")
	case old != nil:
		return nil
	}
	live, err := c.Look.Find(KindDevice, KeyFor("liveFor", person))
	if err != nil {
		return err
	}
	n := 0
	for _, d := range live {
		if d.State == StateActive {
			n++
		}
	}
	if most > 0 && n >= most {
		return Refuse(CodeTooManyDevices, "The person has %s devices already. Revoke or move one first.", strconv.Itoa(n)).
			InChinese("该人员已有 %s 台设备，请先吊销或移交一台。", strconv.Itoa(n))
	}
	set := map[string]Value{
		"deviceId": Quote(device), "personId": Quote(person), "liveFor": Quote(person), "enrolledAt": Quote(stamp(c.Now)),
		"name": Quote(name), "platform": Quote(platform),
	}
	if codeBy != "" {
		set["codeBy"] = Quote(codeBy)
	}
	c.Effect(Effect{ID: id, Kind: KindDevice, Scope: SigninScope(org), Make: true, Set: set})
	return nil
}

// int reads an argument as a whole number; 0 when it is missing or none.
func (c *Case) int(name string) int {
	n := 0
	_ = json.Unmarshal(c.Args[name], &n) // missing or no number: stays 0, as the comment says
	return n
}
