// Package deploy_test reads docker-compose.yml as compose does and holds it to what docs/operations.md promises. It
// starts no container.
package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"fieldclue/server/config"
)

const (
	root         = ".."
	minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"
)

// secrets is an .env as deploy/make-env.sh would write it.
func secrets() []string {
	return []string{
		"MONGODB_ROOT_PASSWORD=rootsecret", "MONGODB_PASSWORD=appsecret",
		"MONGODB_KEY=keysecret", "MINIO_PASSWORD=miniosecret",
	}
}

func load(t *testing.T, environ ...string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")},
		cli.WithWorkingDirectory(dir), cli.WithEnv(environ))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

func mustLoad(t *testing.T, environ ...string) *types.Project {
	t.Helper()
	project, err := load(t, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestThreeServicesWithHealthChecksAndVolumes(t *testing.T) {
	project := mustLoad(t, secrets()...)
	names := project.ServiceNames()
	slices.Sort(names)
	if !slices.Equal(names, []string{"minio", "mongodb", "server"}) {
		t.Fatalf("services are %v", names)
	}
	for name, service := range project.Services {
		if service.HealthCheck == nil || service.HealthCheck.Disable || len(service.HealthCheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		kept := false
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeVolume {
				_, declared := project.Volumes[volume.Source]
				kept = kept || declared
			}
		}
		if !kept {
			t.Errorf("%s keeps its data in no named volume", name)
		}
		if service.Privileged || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
	}
	for _, needed := range []string{"mongodb", "minio"} {
		if got := project.Services["server"].DependsOn[needed].Condition; got != types.ServiceConditionHealthy {
			t.Errorf("the server starts when %s is %q, want healthy", needed, got)
		}
	}
}

func TestNothingStartsWithoutItsSecrets(t *testing.T) {
	for i, missing := range secrets() {
		name, _, _ := strings.Cut(missing, "=")
		for how, rest := range map[string][]string{
			"unset": slices.Delete(secrets(), i, i+1),
			"empty": append(slices.Delete(secrets(), i, i+1), name+"="),
		} {
			if _, err := load(t, rest...); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: error %v, want one that names it", name, how, err)
			}
		}
	}
}

// TestNoSecretHasADefault looks for values of secret variables that did not come from outside.
func TestNoSecretHasADefault(t *testing.T) {
	secret := regexp.MustCompile(`PASSWORD|SECRET|_KEY$|URI$`)
	for name, service := range mustLoad(t, secrets()...).Services {
		for variable, value := range service.Environment {
			if variable == "FIELDCLUE_S3_ACCESS_KEY" || !secret.MatchString(variable) {
				continue
			}
			if value == nil || !strings.Contains(*value, "secret") {
				t.Errorf("%s gets %s from nowhere outside", name, variable)
			}
		}
	}
}

func TestOnlyTheServerIsPublishedAndOnlyOnLoopback(t *testing.T) {
	for name, service := range mustLoad(t, secrets()...).Services {
		for _, port := range service.Ports {
			if name != "server" || port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s:%s", name, port.HostIP, port.Published)
			}
		}
	}
	server := mustLoad(t, append(secrets(), "FIELDCLUE_COMPOSE_ADDRESS=0.0.0.0:80")...).Services["server"]
	if port := server.Ports[0]; port.HostIP != "0.0.0.0" || port.Published != "80" || port.Target != 8080 {
		t.Errorf("FIELDCLUE_COMPOSE_ADDRESS gave %+v", port)
	}
}

func TestMinIOIsBuiltFromThePinnedSourceUnlessAnImageIsNamed(t *testing.T) {
	const stage = "minio-from-source"
	for image, want := range map[string]string{"": stage, "example.org/minio:1": "example.org/minio:1"} {
		minio := mustLoad(t, append(secrets(), "FIELDCLUE_MINIO_IMAGE="+image)...).Services["minio"]
		if minio.Build == nil || minio.PullPolicy != types.PullPolicyBuild {
			t.Fatal("minio is not built")
		}
		if got := minio.Build.Args["MINIO_IMAGE"]; got == nil || *got != want {
			t.Errorf("with image %q the build starts from %v, want %s", image, got, want)
		}
	}
	dockerfile := read(t, "deploy/minio/Dockerfile")
	for _, line := range []string{
		"ARG MINIO_IMAGE=" + stage, "ARG MINIO_VERSION=" + minioVersion, "FROM alpine:3.22 AS " + stage, "FROM ${MINIO_IMAGE}",
	} {
		if !slices.Contains(strings.Split(dockerfile, "\n"), line) {
			t.Errorf("deploy/minio/Dockerfile lacks the line %q", line)
		}
	}
	if !strings.Contains(read(t, ".ci/run"), minioVersion) {
		t.Error(".ci/run tests another version of MinIO")
	}
}

// TestServerAcceptsItsEnvironment loads the server's environment as the server does: a misspelt variable is a fault
// there.
func TestServerAcceptsItsEnvironment(t *testing.T) {
	server := mustLoad(t, secrets()...).Services["server"]
	var environ []string
	for name, value := range server.Environment {
		if value == nil {
			t.Errorf("%s has no value", name)
			continue
		}
		environ = append(environ, name+"="+*value)
	}
	cfg, err := config.Load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MongoDB.URI == "" || cfg.S3.Endpoint == "" {
		t.Errorf("the server would not use both stores: %v", cfg)
	}
	if host, _, _ := strings.Cut(cfg.S3.Endpoint, ":"); host != "minio" {
		t.Errorf("photos go to %s", host)
	}
}

// TestBindMountsAreThere finds files that are named in the compose file and missing in the repository.
func TestBindMountsAreThere(t *testing.T) {
	for name, service := range mustLoad(t, secrets()...).Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !volume.ReadOnly {
				t.Errorf("%s may write to %s", name, volume.Source)
			}
		}
		if service.Build != nil {
			if _, err := os.Stat(filepath.Join(service.Build.Context, "Dockerfile")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestMakeEnvWritesWhatComposeAsksFor runs the script on a copy and gives its result to compose.
func TestMakeEnvWritesWhatComposeAsksFor(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here: ", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".env.example", "deploy/make-env.sh"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(dir, "deploy", "make-env.sh")
	if out, err := exec.Command(shell, script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	written, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	var environ []string
	for line := range strings.Lines(string(written)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, value, _ := strings.Cut(line, "="); len(value) < 48 {
			t.Errorf("%s is no secret", line)
		}
		environ = append(environ, line)
	}
	mustLoad(t, environ...)

	if out, err := exec.Command(shell, script).CombinedOutput(); err == nil {
		t.Errorf("a second run was accepted: %s", out)
	}
	if again, err := os.ReadFile(filepath.Join(dir, ".env")); err != nil || string(again) != string(written) {
		t.Errorf("a second run changed .env (error %v)", err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
