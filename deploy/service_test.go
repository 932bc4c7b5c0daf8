package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fieldclue/server/config"
)

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// The settings that the systemd unit reads are taken, and name the directory that the unit makes.
func TestTheSettingsOfTheServiceAreTaken(t *testing.T) {
	var environ []string
	for line := range strings.Lines(text(t, "deploy/fieldclue.env")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			environ = append(environ, line)
		}
	}
	c, err := config.Load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	unit := text(t, "deploy/fieldclue.service")
	state := regexp.MustCompile(`(?m)^StateDirectory=(.+)$`).FindStringSubmatch(unit)
	if state == nil || c.Data != "/var/lib/"+state[1] {
		t.Errorf("the unit makes %v, and the data lie in %s", state, c.Data)
	}
	for _, proxy := range []string{"deploy/nginx.conf", "deploy/Caddyfile"} {
		if !strings.Contains(text(t, proxy), c.Listen) {
			t.Errorf("%s passes nothing on to %s", proxy, c.Listen)
		}
	}
}

// An alert on a figure that the server does not have never fires.
func TestAlertsNameFiguresThatThereAre(t *testing.T) {
	source := text(t, "server/api/metrics.go")
	names := regexp.MustCompile(`\bfieldclue_[a-z_]+`).FindAllString(text(t, "deploy/alerts.yaml"), -1)
	if len(names) < 5 {
		t.Fatalf("only %d figures were found", len(names))
	}
	for _, name := range names {
		if !strings.Contains(source, `"`+strings.TrimSuffix(name, "_count")+`"`) {
			t.Errorf("the server has no figure %s", name)
		}
	}
}
