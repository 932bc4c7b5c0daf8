package api_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

func TestSetUpWorksOnceWithTheCodeOfTheConsole(t *testing.T) {
	w := start(t)
	first, err := w.users.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code, err := w.users.SetupCode(t.Context()) // the server was started again
	if err != nil || first == code {
		t.Fatal(code, err)
	}
	request := func(code, password string) obj {
		return obj{
			"code": code, "org": obj{"code": "gz-liwan", "name": "荔湾", "region": "440103"}, "name": "管理员",
			"login": "admin", "password": password, "device": obj{"id": w.id()},
		}
	}
	w.send("POST", "/v1/setup", request(first, password)).refused(403, field.CodeSetupClosed)
	w.send("POST", "/v1/setup", request("AAAA-BBBB-CCCC-DDDD", password)).refused(403, field.CodeSetupClosed)
	w.send("POST", "/v1/setup", request(code, "too short")).refused(400, field.CodeWeakPassword)
	if heads := w.heads(); len(heads) != 0 {
		t.Fatalf("a refused set-up wrote %v", heads)
	}
	admin := &user{world: w}
	if a := w.send("GET", "/v1/setup", nil).want(200); string(a.body) != `{"open":true}` {
		t.Errorf("before: %s", a.body)
	}
	w.send("POST", "/v1/setup", request(strings.ToLower(code), password)).want(201).into(&admin.Tokens)
	if a := w.send("GET", "/v1/setup", nil).want(200); string(a.body) != `{"open":false}` {
		t.Errorf("after: %s", a.body)
	}
	w.send("POST", "/v1/setup", request(code, password)).refused(403, field.CodeSetupClosed)
	if code, err := w.users.SetupCode(t.Context()); code != "" || err != nil {
		t.Fatalf("a server that is set up gives out %q, %v", code, err)
	}
	var me struct {
		User struct {
			Name  string         `json:"name"`
			Org   string         `json:"org"`
			Roles []access.Grant `json:"roles"`
		} `json:"user"`
	}
	admin.do("GET", "/v1/me", nil).want(200).into(&me)
	if me.User.Org != "gz-liwan" || me.User.Name != "管理员" || len(me.User.Roles) != 1 || me.User.Roles[0].Role != access.Administrator {
		t.Errorf("%+v", me)
	}
}

func TestSetUpMayBeRepeatedWhenItsOrganisationIsRefused(t *testing.T) {
	w := start(t)
	code, err := w.users.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := obj{
		"code": code, "org": obj{"code": "gz-liwan", "name": "荔湾", "region": "guangzhou"}, "name": "管理员",
		"login": "admin", "password": password, "device": obj{"id": w.id()},
	}
	if a := w.send("POST", "/v1/setup", request); a.status != 400 {
		t.Fatal(string(a.body))
	}
	request["org"] = obj{"code": "gz-liwan", "name": "荔湾", "region": "440103"}
	w.send("POST", "/v1/setup", request).want(201)
}

func TestSignInTellsNobodyWhichPartWasWrong(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	admin.hire("chen", access.Inspector)
	device := w.id()
	w.try("chen", password, device, w.deviceCode("chen")).want(200)
	for _, who := range [][2]string{{"chen", "not the password"}, {"nobody", password}, {"不存在", password}, {"admin", "not the password"}} {
		w.try(who[0], who[1], device, "").refused(401, field.CodeBadCredentials)
	}
	w.try(" CHEN ", password, device, "").want(200)
	w.try("chen@gz-liwan", password, device, "").want(200)
	// A stranger is told nothing at all: neither which names there are nor whether he has guessed a password.
	for _, who := range [][2]string{{"chen", password}, {"chen", "not the password"}, {"nobody", password}} {
		w.try(who[0], who[1], w.id(), "").refused(403, field.CodeDeviceUnknown)
		w.try(who[0], who[1], w.id(), "AAAA-BBBB-CCCC-DDDD").refused(403, field.CodeInvalidCode)
	}
}

func TestGuessingIsSlowedDownForOneDeviceAtOneAddress(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	chen, li := admin.hire("chen", access.Inspector), admin.hire("li", access.Inspector)
	w.clock.stop()
	for range 10 {
		w.try("chen", "guess guess guess", string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)
	}
	if a := w.try("chen", password, string(chen.Device.ID), "").refused(429, field.CodeTooMany); a.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.try("li", password, string(li.Device.ID), "").want(200)
	w.signIn("chen") // another device is not affected
	// A server that is started again has not forgotten.
	again := accounts.New(accounts.Options{Docs: w.store, Records: w.store, Commit: w.engine, Now: w.clock.now, Hash: accounts.HashCost{MemoryKiB: 64, Passes: 1}})
	if _, err := again.SignIn(t.Context(), accounts.Attempt{Login: "chen", Password: password, Device: chen.Device}, "127.0.0.1"); !field.Is(err, field.CodeTooMany) {
		t.Errorf("after a start: %v", err)
	}
	w.clock.move(time.Minute)
	w.try("chen", password, string(chen.Device.ID), "").want(200)
}

// Guesses at a clock that was a year ahead keep nobody out for a year: when it was put right they are forgotten as fast
// as others.
func TestGuessesAtAWrongClockAreForgottenAsOthers(t *testing.T) {
	w := start(t)
	chen := w.setUp().hire("chen", access.Inspector)
	w.clock.stop()
	const year = 365 * 24 * time.Hour
	w.clock.move(year)
	for range 10 {
		w.try("chen", "guess guess guess", string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)
	}
	w.clock.move(-year)
	again := accounts.New(accounts.Options{Docs: w.store, Records: w.store, Commit: w.engine, Now: w.clock.now, Hash: accounts.HashCost{MemoryKiB: 64, Passes: 1}})
	attempt := accounts.Attempt{Login: "chen", Password: password, Device: chen.Device}
	for name, a := range map[string]*accounts.Accounts{"started again": again, "as it ran": w.users} {
		if _, err := a.SignIn(t.Context(), attempt, "127.0.0.1"); !field.Is(err, field.CodeTooMany) {
			t.Errorf("%s, at once: %v", name, err)
		}
	}
	w.clock.move(time.Minute)
	for name, a := range map[string]*accounts.Accounts{"started again": again, "as it ran": w.users} {
		if _, err := a.SignIn(t.Context(), attempt, "127.0.0.1"); err != nil {
			t.Errorf("%s, a minute later: %v", name, err)
		}
	}
}

// An access token of a clock that was a year ahead is not good for a year when the clock was put right; the session
// goes on.
func TestATokenOfAWrongClockIsRefreshed(t *testing.T) {
	w := start(t)
	chen := w.setUp().hire("chen", access.Inspector)
	w.clock.stop()
	const year = 365 * 24 * time.Hour
	w.clock.move(year)
	w.try("chen", password, string(chen.Device.ID), "").want(200).into(&chen.Tokens)
	w.clock.move(-year)
	chen.do("GET", "/v1/me", nil).refused(401, field.CodeTokenExpired)
	w.clock.move(year)
	chen.do("GET", "/v1/me", nil).want(200) // now it is remembered as one that is good
	w.clock.move(-year)
	chen.do("GET", "/v1/me", nil).refused(401, field.CodeTokenExpired)
	chen.refresh(chen.RefreshToken).want(200).into(&chen.Tokens)
	chen.do("GET", "/v1/me", nil).want(200)
	w.clock.move(-5 * time.Minute) // as another server has it
	chen.do("GET", "/v1/me", nil).want(200)
}

// Strangers who flood a name from the address of the office keep nobody out who has a device or a code.
func TestAFloodOfStrangersKeepsNobodyOut(t *testing.T) {
	w := start(t)
	chen := w.setUp().hire("chen", access.Inspector)
	w.clock.stop()
	for range 100 {
		w.try("chen", password, w.id(), "").refused(403, field.CodeDeviceUnknown)
	}
	if a := w.try("chen", password, w.id(), "").refused(429, field.CodeTooMany); a.header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.try("chen", password, string(chen.Device.ID), "").want(200)
	chen.refresh(chen.RefreshToken).want(200)
}

func TestTokensThatAreNotOursOpenNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		doc, err := w.store.GetDoc(t.Context(), store.Keys, "access-token")
		if err != nil {
			t.Fatal(err)
		}
		var key struct {
			Seed []byte `json:"seed"`
		}
		answer{t: t, body: doc.Body}.into(&key)
		ours := ed25519.NewKeyFromSeed(key.Seed)
		_, foreign, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var good jwt.MapClaims
		parts := strings.Split(admin.AccessToken, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		answer{t: t, body: payload}.into(&good)
		with := func(change jwt.MapClaims) jwt.MapClaims {
			c := jwt.MapClaims{}
			for k, v := range good {
				c[k] = v
			}
			for k, v := range change {
				if v == nil {
					delete(c, k)
					continue
				}
				c[k] = v
			}
			return c
		}
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		var head map[string]any
		answer{t: t, body: header}.into(&head)
		signAs := func(m jwt.SigningMethod, key any, c jwt.MapClaims, change map[string]any) string {
			token := jwt.NewWithClaims(m, c)
			maps.Copy(token.Header, head)
			token.Header["alg"] = m.Alg()
			for k, v := range change {
				token.Header[k] = v
				if v == nil {
					delete(token.Header, k)
				}
			}
			s, err := token.SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		sign := func(m jwt.SigningMethod, key any, c jwt.MapClaims) string { return signAs(m, key, c, nil) }
		publicKey, _ := ours.Public().(ed25519.PublicKey)
		now := time.Now().Unix()
		before := w.state()
		for _, c := range []struct {
			name, header string
			code         field.Code
		}{
			{"none at all", "", field.CodeTokenMissing},
			{"basic", "Basic YTpi", field.CodeTokenMissing},
			{"garbage", "Bearer garbage", field.CodeTokenInvalid},
			{"foreign key", "Bearer " + sign(jwt.SigningMethodEdDSA, foreign, good), field.CodeTokenInvalid},
			{"alg none", "Bearer " + sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good), field.CodeTokenInvalid},
			{"public key as HMAC secret", "Bearer " + sign(jwt.SigningMethodHS256, []byte(publicKey), good), field.CodeTokenInvalid},
			{"other audience", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"aud": "elsewhere"})), field.CodeTokenInvalid},
			{"other issuer", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"iss": "elsewhere"})), field.CodeTokenInvalid},
			{"other type", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"typ": "refresh"})), field.CodeTokenInvalid},
			{"no expiry", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"exp": nil})), field.CodeTokenInvalid},
			{"expired", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"exp": now - 1})), field.CodeTokenExpired},
			{"type of no access token", "Bearer " + signAs(jwt.SigningMethodEdDSA, ours, good, map[string]any{"typ": "JWT"}), field.CodeTokenInvalid},
			{"no type", "Bearer " + signAs(jwt.SigningMethodEdDSA, ours, good, map[string]any{"typ": nil}), field.CodeTokenInvalid},
			{"no key id", "Bearer " + signAs(jwt.SigningMethodEdDSA, ours, good, map[string]any{"kid": nil}), field.CodeTokenInvalid},
			{"unknown key", "Bearer " + signAs(jwt.SigningMethodEdDSA, foreign, good, map[string]any{"kid": "00000000"}), field.CodeTokenKeyUnknown},
			{"something critical", "Bearer " + signAs(jwt.SigningMethodEdDSA, ours, good, map[string]any{"crit": []string{"exp"}}), field.CodeTokenInvalid},
			{"session of nobody", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"sid": w.id()})), field.CodeTokenInvalid},
			{"session of another device", "Bearer " + sign(jwt.SigningMethodEdDSA, ours, with(jwt.MapClaims{"dev": w.id()})), field.CodeTokenInvalid},
			{"cut", "Bearer " + admin.AccessToken[:len(admin.AccessToken)-4], field.CodeTokenInvalid},
			{"refresh token", "Bearer " + admin.RefreshToken, field.CodeTokenInvalid},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				headers := []string{}
				if c.header != "" {
					headers = append(headers, "Authorization", c.header)
				}
				for _, route := range []string{"GET /v1/me", "GET /v1/people", "GET /v1/sync/events", "HEAD /v1/uploads/x"} {
					method, path, _ := strings.Cut(route, " ")
					a := w.send(method, path, nil, headers...)
					if a.status != 401 || method != "HEAD" && a.code() != c.code {
						t.Errorf("%s: %d %s, want 401 %s", route, a.status, a.code(), c.code)
					}
					if a.header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("%s: no WWW-Authenticate", route)
					}
				}
			})
		}
		w.t = t
		if after := w.state(); after != before {
			t.Error("something was written")
		}
		w.clock.move(14 * time.Minute)
		admin.do("GET", "/v1/me", nil).want(200)
		w.clock.move(2 * time.Minute)
		admin.do("GET", "/v1/me", nil).refused(401, field.CodeTokenExpired)
	})
}

func (u *user) refresh(token string) answer {
	return u.send("POST", "/v1/auth/refresh", obj{"refreshToken": token, "device": u.Device.ID})
}

// The key of access tokens leaked and was renewed: within a minute what it signed opens nothing, however long a forger
// lets it live and however often it was used before, and who has a session goes on without a password.
func TestARenewedTokenKeyEndsWhatTheOldOneSigned(t *testing.T) {
	w := start(t)
	u := w.setUp()
	u.do("GET", "/v1/me", nil).want(200)
	doc, err := w.store.GetDoc(t.Context(), store.Keys, "access-token")
	if err != nil {
		t.Fatal(err)
	}
	var leaked struct{ Seed []byte }
	answer{t: t, body: doc.Body}.into(&leaked)
	token, _, err := jwt.NewParser().ParseUnverified(u.AccessToken, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := token.Claims.(jwt.MapClaims)
	claims["exp"] = w.clock.now().Add(20 * time.Minute).Unix() // one for years is refused for that alone
	kid := token.Header["kid"]
	token = jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	token.Header["kid"], token.Header["typ"] = kid, "at+jwt"
	forged, err := token.SignedString(ed25519.NewKeyFromSeed(leaked.Seed))
	if err != nil {
		t.Fatal(err)
	}
	forger := &user{world: w}
	forger.AccessToken = forged
	forger.do("GET", "/v1/me", nil).want(200)
	if err := accounts.RenewTokenKey(t.Context(), w.store); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Minute)
	forger.do("GET", "/v1/me", nil).refused(401, field.CodeTokenKeyUnknown)
	u.do("GET", "/v1/me", nil).refused(401, field.CodeTokenKeyUnknown)
	var next user
	u.refresh(u.RefreshToken).want(200).into(&next.Tokens)
	u.AccessToken = next.AccessToken
	u.do("GET", "/v1/me", nil).want(200)
	// Under the name of the new key it is a forgery like any other.
	token.Header["kid"] = func() any {
		parsed, _, err := jwt.NewParser().ParseUnverified(u.AccessToken, jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Header["kid"]
	}()
	if forger.AccessToken, err = token.SignedString(ed25519.NewKeyFromSeed(leaked.Seed)); err != nil {
		t.Fatal(err)
	}
	forger.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
}

// Keys rotate while the server runs: what the old one signed is good until it has expired, and no longer.
func TestTokenKeysRotateWithOverlap(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		u := w.setUp()
		if err := accounts.RotateTokenKey(t.Context(), w.store, 15*time.Minute); err != nil {
			t.Fatal(err)
		}
		w.clock.move(2 * time.Minute)
		old := *u
		u.refresh(u.RefreshToken).want(200).into(&u.Tokens)
		kid := func(token string) any {
			parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
			if err != nil {
				t.Fatal(err)
			}
			return parsed.Header["kid"]
		}
		if kid(old.AccessToken) == kid(u.AccessToken) {
			t.Fatal("the key did not change")
		}
		old.do("GET", "/v1/me", nil).want(200)
		u.do("GET", "/v1/me", nil).want(200)
		// Leaked: no overlap, for no key before it.
		if err := accounts.RenewTokenKey(t.Context(), w.store); err != nil {
			t.Fatal(err)
		}
		w.clock.move(time.Minute)
		old.do("GET", "/v1/me", nil).refused(401, field.CodeTokenKeyUnknown)
		u.do("GET", "/v1/me", nil).refused(401, field.CodeTokenKeyUnknown)
	})
}

func TestALostAnswerToARefreshSignsNobodyOut(t *testing.T) {
	w := start(t)
	u := w.setUp()
	first := u.RefreshToken
	var one, two, three user
	u.refresh(first).want(200).into(&one.Tokens)
	w.clock.move(9 * time.Minute)
	u.refresh(first).want(200).into(&two.Tokens) // the first answer was lost
	if one.RefreshToken != two.RefreshToken || one.RefreshToken == first {
		t.Fatal("the answer that was lost is not given again")
	}
	u.refresh(two.RefreshToken).want(200).into(&three.Tokens)
	u.AccessToken = three.AccessToken
	u.do("GET", "/v1/me", nil).want(200)
}

func TestAStolenRefreshTokenClosesTheSession(t *testing.T) {
	w := start(t)
	u := w.setUp()
	first := u.RefreshToken
	var next user
	u.refresh(first).want(200).into(&next.Tokens)
	u.AccessToken = next.AccessToken
	u.do("GET", "/v1/me", nil).want(200)
	w.clock.move(10*time.Minute + time.Second)
	u.refresh(first).refused(401, field.CodeTokenReused)
	u.refresh(next.RefreshToken).refused(401, field.CodeTokenReused)
	u.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
}

func TestARefreshIsRepeatedUnderItsNonceAlone(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		u := w.setUp()
		exchange := func(u *user, token, nonce string) answer {
			body := obj{"refreshToken": token, "device": u.Device.ID}
			if nonce != "" {
				body["nonce"] = nonce
			}
			return w.send("POST", "/v1/auth/refresh", body)
		}
		var one, two user
		exchange(u, u.RefreshToken, "n1").want(200).into(&one.Tokens)
		w.clock.move(9 * time.Minute)
		exchange(u, u.RefreshToken, "n1").want(200).into(&two.Tokens)
		if one.RefreshToken != two.RefreshToken {
			t.Error("the lost answer is not given again")
		}
		exchange(u, two.RefreshToken, "n2").want(200)
		exchange(u, u.RefreshToken, "n1").refused(401, field.CodeTokenReused) // the next one was used

		for _, other := range []string{"n3", ""} {
			v := w.signIn("admin")
			exchange(v, v.RefreshToken, "n1").want(200)
			exchange(v, v.RefreshToken, other).refused(401, field.CodeTokenReused) // not the app that asked first
		}
		exchange(u, u.RefreshToken, strings.Repeat("n", 101)).refused(400, field.CodeTooLong)
	})
}

func TestARefreshTokenIsBoundToItsDeviceAndItsSession(t *testing.T) {
	w := start(t)
	u := w.setUp()
	w.send("POST", "/v1/auth/refresh", obj{"refreshToken": u.RefreshToken, "device": w.id()}).refused(403, field.CodeForeignDevice)
	session, secret, _ := strings.Cut(u.RefreshToken, ".")
	invented := session + "." + strings.Repeat("A", len(secret))
	for _, bad := range []string{"", "x", session, session + ".", invented, w.id() + "." + secret, u.AccessToken} {
		u.refresh(bad).refused(401, field.CodeTokenInvalid)
	}
	u.refresh(u.RefreshToken).want(200) // none of this closed the session
	w.clock.move(91 * 24 * time.Hour)
	u.refresh(u.RefreshToken).refused(401, field.CodeTokenInvalid)
	if n, err := w.users.Sweep(t.Context(), 10); err != nil || n != 1 {
		t.Errorf("swept %d, %v", n, err)
	}
}

func TestSigningOutEndsTheSessionAndNoOther(t *testing.T) {
	w := start(t)
	u := w.setUp()
	other := w.signIn("admin")
	u.do("POST", "/v1/auth/sign-out", nil).want(204)
	u.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
	u.refresh(u.RefreshToken).refused(401, field.CodeTokenReused)
	other.do("GET", "/v1/me", nil).want(200)
}

// Each sign-in stays in the log, so a device signs in only so often, and only so many of its sessions stay open.
func TestSignInsOfADeviceAreBounded(t *testing.T) {
	w := start(t)
	chen := w.setUp().hire("chen", access.Inspector)
	w.clock.stop()
	enters := func() (u user) {
		w.clock.move(time.Second) // the oldest is known by its time
		w.try("chen", password, string(chen.Device.ID), "").want(200).into(&u)
		u.world = w
		return u
	}
	second := enters()
	for range field.SessionsOfDevice - 2 {
		enters()
	}
	chen.refresh(chen.RefreshToken).want(200)
	enters()
	chen.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
	second.do("GET", "/v1/me", nil).want(200)

	w.clock.move(time.Hour)
	for range 60 {
		w.try("chen", password, string(chen.Device.ID), "").want(200)
	}
	before := w.heads()
	if a := w.try("chen", password, string(chen.Device.ID), "").refused(429, field.CodeTooMany); a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if after := w.heads(); !maps.Equal(after, before) {
		t.Errorf("a sign-in that was refused is in the log: %v, before %v", after, before)
	}
}

func TestANewPasswordClosesTheOtherSessions(t *testing.T) {
	w := start(t)
	u := w.setUp()
	other := w.signIn("admin")
	change := func(present, next string) answer {
		return u.do("POST", "/v1/auth/password", obj{"login": "admin", "present": present, "next": next})
	}
	change("wrong wrong wrong", "battery horse staple").refused(401, field.CodeBadCredentials)
	change(password, "short").refused(400, field.CodeWeakPassword)
	other.do("GET", "/v1/me", nil).want(200)
	change(password, "battery horse staple").want(204)
	u.do("GET", "/v1/me", nil).want(200)
	other.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
	w.try("admin", password, string(other.Device.ID), "").refused(401, field.CodeBadCredentials)
	w.try("admin", "battery horse staple", string(other.Device.ID), "").want(200)
}

// A server that is told to stop before it has begun to serve must not begin.
func TestAServerThatIsStoppedBeforeItBeganEnds(t *testing.T) {
	w := start(t) // its clean-up stops it again
	if err := w.api.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.api.Serve(ln); err != nil {
		t.Fatal(err)
	}
}
