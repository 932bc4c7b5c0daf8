package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

const mandateDocument = "荔湾纪委托函〔2026〕3号"

// entrust lets the host side inspect on the donor side's sites: its supervisor drafts a mandate, and its leader
// approves it. Until then the partner, though it takes part in every site, sees none of them.
func (d *demo) entrust(ctx context.Context) error {
	id, err := d.desk(supervisor).create(ctx, "/v1/mandates", "mandate", object{
		"principal": guangzhou, "agent": bijie, "subjects": []object{{"kind": "region", "ref": county}}, "powers": []string{"inspect"},
		"validFrom": d.day(0), "validTo": d.day(365), "document": mandateDocument, "why": "东西部协作项目联合检查",
	})
	if err != nil {
		return err
	}
	host, green := d.desk(hostDesk), "/v1/sites/"+string(d.site("green"))
	err = once(d, "the partner sees nothing yet", func() error {
		var refused *phone.Refused
		if err := host.get(ctx, green, nil); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			return fmt.Errorf("without a mandate a site should not be there for the partner, and it answers %v", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.desk(leader).click(ctx, "approve the mandate", "/v1/mandates", id, "approve", nil, field.MandateValid); err != nil {
		return err
	}
	// Who has just been given a mandate is known as such a little later.
	err = await(ctx, "the partner to see the site", func() (bool, error) {
		var refused *phone.Refused
		if err := host.get(ctx, green, nil); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			return err == nil, err
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	d.say("   委托 %s (%s): %s lets %s inspect in %s until %s; drafted by %s, approved by %s", mandateDocument, id, guangzhou, bijie, county, d.day(365), supervisor, leader)
	d.say("   before it %s saw no site of %s, now it does", hostDesk, guangzhou)
	return nil
}

// showMandate checks that the log names the mandate wherever the partner's inspector wrote, and nowhere else.
func (d *demo) showMandate(ctx context.Context) error {
	first, second := d.today()
	for _, v := range append(first, second...) {
		var history page[struct {
			Scope field.Scope `json:"scope"`
			Seq   int64       `json:"seq"`
			By    *struct {
				Name string `json:"name"`
			} `json:"by"`
			Mandate field.RecordID `json:"mandate"`
		}]
		if err := d.desk(supervisor).get(ctx, "/v1/reports/"+string(d.id(v.report()))+"/history?limit=100", &history); err != nil {
			return err
		}
		want := field.RecordID("")
		if v.name == second[0].name {
			want = d.id("mandate")
		}
		written := 0
		for _, e := range history.Items {
			if e.By == nil {
				continue // the server itself acts under no mandate
			}
			if e.Mandate != want {
				return fmt.Errorf("entry %d of %s names the mandate %q, and it should be %q", e.Seq, e.Scope, e.Mandate, want)
			}
			if written++; written == 1 && want != "" {
				d.say("   委托 entry %d of %s, by %s of %s, names the mandate %s", e.Seq, e.Scope, phoneB, bijie, e.Mandate)
			}
		}
		if written == 0 {
			return fmt.Errorf("nobody wrote the report of %s", v.name)
		}
	}
	return nil
}
