package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// desk is somebody in an office with a browser and a good line.
type desk struct {
	d     *demo
	login string
	token string
}

// desk seats a person of the story.
func (d *demo) desk(login string) *desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.desks[login]
	if k == nil {
		k = &desk{d: d, login: login}
		d.desks[login] = k
	}
	return k
}

func (k *desk) device() phone.Device {
	return phone.Device{ID: field.DeviceID(k.d.id("desk of " + k.login)), Name: "desk of " + k.login, Platform: "browser"}
}

func (k *desk) signIn(ctx context.Context) error {
	var t struct {
		AccessToken string `json:"accessToken"`
	}
	body := map[string]any{"login": k.login, "password": k.d.memory.password(k.login), "device": k.device()}
	err := k.send(ctx, http.MethodPost, "/v1/auth/sign-in", "", body, &t)
	var r *phone.Refused
	if errors.As(err, &r) && r.Code == field.CodeDeviceUnknown && k.login != admin {
		if body["code"], err = k.d.deviceCode(ctx, k.login); err == nil {
			err = k.send(ctx, http.MethodPost, "/v1/auth/sign-in", "", body, &t)
		}
	}
	if err != nil {
		return fmt.Errorf("%s signs in: %w", k.login, err)
	}
	k.token = t.AccessToken
	return nil
}

// deviceCode is a one-time code that the administrator makes for somebody's next device.
func (d *demo) deviceCode(ctx context.Context, login string) (string, error) {
	id, err := step(d, "person "+login, func() (field.UserID, error) { return "", fmt.Errorf("%s is not on record yet", login) })
	if err != nil {
		return "", err
	}
	var code struct {
		Code string `json:"code"`
	}
	err = d.desk(admin).ask(ctx, http.MethodPost, "/v1/people/"+string(id)+"/device-codes", "", map[string]any{}, &code)
	return code.Code, err
}

// signOn signs somebody in on a phone, which the first time takes a code.
func (d *demo) signOn(ctx context.Context, p *phone.Phone, login string) error {
	err := p.SignIn(ctx, login, d.memory.password(login))
	var r *phone.Refused
	if !errors.As(err, &r) || r.Code != field.CodeDeviceUnknown {
		return err
	}
	code, err := d.deviceCode(ctx, login)
	if err != nil {
		return err
	}
	return p.Enrol(ctx, login, d.memory.password(login), code)
}

// ask sends a request as the person at the desk. key makes a click one of its kind: repeated, it has its effect once.
func (k *desk) ask(ctx context.Context, method, path, key string, body, into any) error {
	for again := false; ; again = true {
		if k.token == "" {
			if err := k.signIn(ctx); err != nil {
				return err
			}
		}
		err := k.send(ctx, method, path, key, body, into)
		var r *phone.Refused
		if !again && errors.As(err, &r) && r.Status == http.StatusUnauthorized {
			k.token = ""
			continue
		}
		return err
	}
}

func (k *desk) get(ctx context.Context, path string, into any) error {
	return k.ask(ctx, http.MethodGet, path, "", nil, into)
}

func (k *desk) send(ctx context.Context, method, path, key string, body, into any) error {
	raw, err := k.fetch(ctx, method, path, key, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (k *desk) fetch(ctx context.Context, method, path, key string, body any) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		raw, err := k.once(ctx, method, path, key, body)
		var r *phone.Refused
		if errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && attempt < 10 {
			if err := brief(ctx, 1e9); err != nil {
				return nil, err
			}
			continue
		}
		return raw, err
	}
}

func (k *desk) once(ctx context.Context, method, path, key string, body any) (raw []byte, err error) {
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", k.d.memory.story.Seed + "/" + key}
	}
	err = phone.Client{BaseURL: k.d.o.BaseURL, Token: k.token}.Ask(ctx, method, path, body, &raw, headers...)
	if err != nil {
		err = fmt.Errorf("%s: %s %s: %w", k.login, method, path, err)
	}
	return raw, err
}

// record reads a record.
func (k *desk) record(ctx context.Context, id field.RecordID) (protocol.PulledRecord, error) {
	var r protocol.PulledRecord
	return r, k.get(ctx, "/v1/records/"+string(id), &r)
}

// create makes a record of the story with a name of its own and returns its id.
func (k *desk) create(ctx context.Context, path, name string, fields map[string]any) (field.RecordID, error) {
	return step(k.d, "create "+name, func() (field.RecordID, error) {
		id := k.d.id(name)
		return id, k.ask(ctx, http.MethodPost, path, name, map[string]any{"id": id, "fields": fields}, nil)
	})
}

// click gives a command to a record, and is content when the record is in one of the states that it leads to.
func (k *desk) click(ctx context.Context, name, path string, id field.RecordID, command string, args map[string]any, leadsTo ...field.State) error {
	return once(k.d, name, func() error {
		for attempt := 1; ; attempt++ {
			r, err := k.record(ctx, id)
			if err != nil {
				return err
			}
			if slices.Contains(leadsTo, r.State) {
				return nil
			}
			body := map[string]any{"version": r.Version}
			for n, v := range args {
				body[n] = v
			}
			err = k.ask(ctx, http.MethodPost, path+"/"+string(id)+"/"+command, "", body, nil)
			var refused *phone.Refused
			if errors.As(err, &refused) && refused.Code == field.CodeStale && attempt < 5 {
				continue // somebody was first: look again
			}
			return err
		}
	})
}

// fieldsOf reads the fields of a record into a struct.
func fieldsOf[T any](r protocol.PulledRecord) (T, error) {
	var f T
	if err := json.Unmarshal(r.Fields, &f); err != nil {
		return f, fmt.Errorf("%s %s: %w", r.Kind, r.ID, err)
	}
	return f, nil
}

// page is a page of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}
