package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestNothingGivenIsTheEmbeddedServerOnLoopback(t *testing.T) {
	got, err := Load(nil, []string{"HOME=/root", "FIELDCLUE_DATA="})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Data: "./data", Listen: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080",
		MongoDB: MongoDB{Database: "fieldclue"}, S3: S3{Bucket: "fieldclue", SealedTTL: 15 * time.Minute},
		HorizonDays: 400, LogLevel: slog.LevelInfo, LogFormat: "json",
		RequestTimeout: 30 * time.Second, AccessTTL: 15 * time.Minute, Devices: 5, CodeTTL: 72 * time.Hour, UploadMax: 64 << 20,
		Uploads: 500, UploadsUser: 16, BodyMemory: 128 << 20, BodyMemoryUser: 8 << 20, Workers: runtime.NumCPU(),
		Streams: 20_000, StreamsUser: 8, Begun: 200, BegunBytes: 16 << 30, Kept: 2000, KeptBytes: 32 << 20,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestEverythingGiven(t *testing.T) {
	environ := []string{
		"FIELDCLUE_DATA=/srv/fieldclue", "FIELDCLUE_LISTEN=:9000", "FIELDCLUE_PUBLIC_URL=https://field.example.org/",
		"FIELDCLUE_MONGODB_URI=mongodb://app:p%40ss@a:27017,b:27018/?replicaSet=rs0", "FIELDCLUE_MONGODB_DATABASE=county",
		"FIELDCLUE_S3_ENDPOINT=minio:9000", "FIELDCLUE_S3_ACCESS_KEY=key", "FIELDCLUE_S3_SECRET_KEY=secret",
		"FIELDCLUE_S3_BUCKET=evidence", "FIELDCLUE_S3_REGION=cn-south", "FIELDCLUE_S3_TLS=true", "FIELDCLUE_S3_RETENTION_DAYS=400",
		"FIELDCLUE_S3_PUBLIC_URL=https://photos.example.org:9443/", "FIELDCLUE_S3_SEALED_TTL=5m",
		"FIELDCLUE_LOG_LEVEL=warn", "FIELDCLUE_LOG_FORMAT=text", "FIELDCLUE_REQUEST_TIMEOUT=10s", "FIELDCLUE_ACCESS_TTL=5m", "FIELDCLUE_DEVICES=3", "FIELDCLUE_CODE_TTL=24h",
		"FIELDCLUE_UPLOAD_MAX=20MiB", "FIELDCLUE_UPLOADS=90", "FIELDCLUE_UPLOADS_USER=9", "FIELDCLUE_BODY_MEMORY=32MiB", "FIELDCLUE_BODY_MEMORY_USER=4MiB",
		"FIELDCLUE_STREAMS=50", "FIELDCLUE_STREAMS_USER=5", "FIELDCLUE_BEGUN_USER=20", "FIELDCLUE_BEGUN_BYTES_USER=1GiB",
		"FIELDCLUE_KEPT_USER=30", "FIELDCLUE_KEPT_BYTES_USER=3MiB", "FIELDCLUE_METRICS_TOKEN=0123456789abcdef", "FIELDCLUE_METRICS_LISTEN=127.0.0.1:9090",
		"FIELDCLUE_WORKERS=3", "FIELDCLUE_HORIZON_DAYS=0", "FIELDCLUE_ARCHIVE_DAYS=365", "FIELDCLUE_TRUSTED_PROXIES=10.0.0.7, fd00::/8",
	}
	got, err := Load([]string{"--log-format", "json", "--data=/elsewhere"}, environ)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Data: "/elsewhere", Listen: ":9000", PublicURL: "https://field.example.org", TrustedProxies: []string{"10.0.0.7", "fd00::/8"},
		MongoDB: MongoDB{URI: "mongodb://app:p%40ss@a:27017,b:27018/?replicaSet=rs0", Database: "county"},
		S3: S3{
			Endpoint: "minio:9000", AccessKey: "key", SecretKey: "secret", Bucket: "evidence", Region: "cn-south",
			TLS: true, RetentionDays: 400, PublicURL: "https://photos.example.org:9443", SealedTTL: 5 * time.Minute,
		},
		ArchiveDays: 365, LogLevel: slog.LevelWarn, LogFormat: "json",
		RequestTimeout: 10 * time.Second, AccessTTL: 5 * time.Minute, Devices: 3, CodeTTL: 24 * time.Hour, UploadMax: 20 << 20,
		Uploads: 90, UploadsUser: 9, BodyMemory: 32 << 20, BodyMemoryUser: 4 << 20, Workers: 3,
		Streams: 50, StreamsUser: 5, Begun: 20, BegunBytes: 1 << 30, Kept: 30, KeptBytes: 3 << 20,
		MetricsToken: "0123456789abcdef", MetricsListen: "127.0.0.1:9090",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestStoreAndBlobsAreChosenApart(t *testing.T) {
	for _, environ := range [][]string{
		{"FIELDCLUE_MONGODB_URI=mongodb://db"},
		{"FIELDCLUE_S3_ENDPOINT=minio:9000", "FIELDCLUE_S3_ACCESS_KEY=a", "FIELDCLUE_S3_SECRET_KEY=b"},
	} {
		if _, err := Load(nil, environ); err != nil {
			t.Errorf("%s: %v", environ[0], err)
		}
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	_, err := Load([]string{"--listen", "8080"}, []string{
		"FIELDCLUE_MONGO_URI=mongodb://db", "FIELDCLUE_WORKERS=many", "FIELDCLUE_S3_ENDPOINT=minio:9000",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	want := `the configuration has 5 faults:
  FIELDCLUE_MONGO_URI: no such setting (did you mean FIELDCLUE_MONGODB_URI?). Correct the name or unset it.
  --listen: "8080" is no host and port. Write it like 127.0.0.1:8080 or [::1]:8080.
  FIELDCLUE_WORKERS: "many" is no whole number from 0 to 256. Write one.
  FIELDCLUE_S3_ACCESS_KEY: it is not set, but FIELDCLUE_S3_ENDPOINT is. Set it, or unset FIELDCLUE_S3_ENDPOINT.
  FIELDCLUE_S3_SECRET_KEY: it is not set, but FIELDCLUE_S3_ENDPOINT is. Set it, or unset FIELDCLUE_S3_ENDPOINT.`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestFaultsNameTheVariable(t *testing.T) {
	rows := []struct {
		name    string
		environ string // separated by blanks
		want    string
	}{
		{"address without port", "FIELDCLUE_LISTEN=localhost", "FIELDCLUE_LISTEN"},
		{"port too high", "FIELDCLUE_LISTEN=127.0.0.1:70000", "FIELDCLUE_LISTEN"},
		{"public address without scheme", "FIELDCLUE_PUBLIC_URL=field.example.org", "FIELDCLUE_PUBLIC_URL"},
		{"public address with query", "FIELDCLUE_PUBLIC_URL=https://a/?x=1", "FIELDCLUE_PUBLIC_URL"},
		{"another database's string", "FIELDCLUE_MONGODB_URI=postgres://db", "FIELDCLUE_MONGODB_URI"},
		{"string without host", "FIELDCLUE_MONGODB_URI=mongodb://user:pw@/", "FIELDCLUE_MONGODB_URI"},
		{"password with a bare @", "FIELDCLUE_MONGODB_URI=mongodb://user:p@w@db/", "FIELDCLUE_MONGODB_URI"},
		{"port that is no port", "FIELDCLUE_MONGODB_URI=mongodb://db:x/", "FIELDCLUE_MONGODB_URI"},
		{"database without server", "FIELDCLUE_MONGODB_DATABASE=county", "FIELDCLUE_MONGODB_URI"},
		{"database with a dot", "FIELDCLUE_MONGODB_URI=mongodb://db FIELDCLUE_MONGODB_DATABASE=a.b", "FIELDCLUE_MONGODB_DATABASE"},
		{"endpoint with scheme", "FIELDCLUE_S3_ENDPOINT=https://minio:9000 FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b", "FIELDCLUE_S3_TLS=true"},
		{"key without endpoint", "FIELDCLUE_S3_ACCESS_KEY=a", "FIELDCLUE_S3_ENDPOINT"},
		{"public address of the store with a path", "FIELDCLUE_S3_ENDPOINT=m FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b FIELDCLUE_S3_PUBLIC_URL=https://a.example.org/photos", "FIELDCLUE_S3_PUBLIC_URL"},
		{"life of addresses that nobody gets", "FIELDCLUE_S3_ENDPOINT=m FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b FIELDCLUE_S3_SEALED_TTL=5m", "FIELDCLUE_S3_PUBLIC_URL"},
		{"retention without endpoint", "FIELDCLUE_S3_RETENTION_DAYS=3", "FIELDCLUE_S3_ENDPOINT"},
		{"bucket in capitals", "FIELDCLUE_S3_ENDPOINT=m FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b FIELDCLUE_S3_BUCKET=Photos", "FIELDCLUE_S3_BUCKET"},
		{"neither true nor false", "FIELDCLUE_S3_ENDPOINT=m FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b FIELDCLUE_S3_TLS=on", "FIELDCLUE_S3_TLS"},
		{"negative retention", "FIELDCLUE_S3_ENDPOINT=m FIELDCLUE_S3_ACCESS_KEY=a FIELDCLUE_S3_SECRET_KEY=b FIELDCLUE_S3_RETENTION_DAYS=-1", "FIELDCLUE_S3_RETENTION_DAYS"},
		{"a proxy by name", "FIELDCLUE_TRUSTED_PROXIES=10.0.0.7,proxy", "FIELDCLUE_TRUSTED_PROXIES"},
		{"unknown level", "FIELDCLUE_LOG_LEVEL=loud", "FIELDCLUE_LOG_LEVEL"},
		{"unknown format", "FIELDCLUE_LOG_FORMAT=xml", "FIELDCLUE_LOG_FORMAT"},
		{"time without unit", "FIELDCLUE_REQUEST_TIMEOUT=30", "from 1s to 10m"},
		{"token for a day", "FIELDCLUE_ACCESS_TTL=24h", "from 1m to 1h"},
		{"size without a number", "FIELDCLUE_UPLOAD_MAX=MiB", "FIELDCLUE_UPLOAD_MAX"},
		{"size that overflows", "FIELDCLUE_UPLOAD_MAX=9223372036854775807GiB", "FIELDCLUE_UPLOAD_MAX"},
		{"misspelt", "FIELDCLUE_S3_SECRETKEY=x", "did you mean FIELDCLUE_S3_SECRET_KEY?"},
		{"misspelt file", "FIELDCLUE_S3_SECRET_FILE=x", "no such setting"},
		{"nothing like it", "FIELDCLUE_COLOUR_OF_THE_ROOF=red", "FIELDCLUE_COLOUR_OF_THE_ROOF: no such setting. "},
		{"file for what is no secret", "FIELDCLUE_LISTEN_FILE=/etc/x", "no such setting"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			cfg, err := Load(nil, strings.Fields(row.environ))
			if err == nil {
				t.Fatalf("accepted as %v", cfg)
			}
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %q, want it to say %q", err, row.want)
			}
			if !reflect.DeepEqual(cfg, Config{}) {
				t.Errorf("a refused configuration came back as %v", cfg)
			}
			if strings.Contains(err.Error(), "pw") {
				t.Errorf("%q shows the password", err)
			}
		})
	}
}

func TestFlagFaults(t *testing.T) {
	for _, args := range [][]string{{"--datta", "x"}, {"x"}, {"--data="}, {"--log-level"}} {
		if _, err := Load(args, nil); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q gave %v, want a fault", args, err)
		}
	}
	if _, err := Load([]string{"--help"}, nil); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gave %v", err)
	}
}

func TestVariablesOfTestsAndComposeAreNoMisspellings(t *testing.T) {
	environ := []string{
		"FIELDCLUE_TEST_MONGODB_URI=x", "FIELDCLUE_TOOLS=x", "FIELDCLUE_REQUIRE_ENGINES=1",
		"FIELDCLUE_BENCH_X=1", "FIELDCLUE_COMPOSE_ADDRESS=1", "FIELDCLUE_MINIO_IMAGE=x",
	}
	if _, err := Load(nil, environ); err != nil {
		t.Error(err)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, empty := write("key", "s3cret\n"), write("empty", "\n")
	base := []string{"FIELDCLUE_S3_ENDPOINT=m:9000", "FIELDCLUE_S3_ACCESS_KEY=a"}

	got, err := Load(nil, append(base, "FIELDCLUE_S3_SECRET_KEY_FILE="+key))
	if err != nil || got.S3.SecretKey != "s3cret" {
		t.Errorf("got %q, error %v", string(got.S3.SecretKey), err)
	}
	for name, extra := range map[string][]string{
		"missing":    {"FIELDCLUE_S3_SECRET_KEY_FILE=" + filepath.Join(dir, "none")},
		"empty":      {"FIELDCLUE_S3_SECRET_KEY_FILE=" + empty},
		"given both": {"FIELDCLUE_S3_SECRET_KEY_FILE=" + key, "FIELDCLUE_S3_SECRET_KEY=x"},
	} {
		_, err := Load(nil, append(base, extra...))
		if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "FIELDCLUE_S3_SECRET_KEY_FILE") {
			t.Errorf("%s: got %v, want one fault that names the file's variable", name, err)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	cfg, err := Load(nil, []string{
		"FIELDCLUE_MONGODB_URI=mongodb://app:hunter2@db:27017/?replicaSet=rs0",
		"FIELDCLUE_S3_ENDPOINT=minio:9000", "FIELDCLUE_S3_ACCESS_KEY=hunter2", "FIELDCLUE_S3_SECRET_KEY=hunter2",
	})
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "config", cfg, "mongodb", cfg.MongoDB)
	for _, shown := range []string{
		cfg.String(), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg), fmt.Sprintf("%#v %v", cfg.S3, cfg.S3), string(asJSON), logged.String(),
	} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("a secret is shown in %s", shown)
		}
	}
	if !strings.Contains(cfg.String(), "mongodb at db:27017/fieldclue") || !strings.Contains(cfg.String(), "s3 at minio:9000/fieldclue") {
		t.Errorf("the line for the log does not name the stores: %s", cfg)
	}
}

func TestAddressOfAServerOnEveryInterface(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80",
		"[::]:8080": "http://[::1]:8080", "localhost:8080": "http://localhost:8080",
	} {
		got, err := Load([]string{"--listen", listen}, nil)
		if err != nil || got.LocalURL() != want || got.PublicURL != want {
			t.Errorf("%s gave %q and %q (error %v), want %q", listen, got.LocalURL(), got.PublicURL, err, want)
		}
	}
	if got, err := Load([]string{"--listen", "127.0.0.1:0"}, nil); err != nil || got.PublicURL != "" {
		t.Errorf("port 0 gave %q (error %v), want no address", got.PublicURL, err)
	}
}

func TestHelpNamesEverySettingAndItsDefault(t *testing.T) {
	var help strings.Builder
	if err := WriteHelp(&help); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		for _, part := range []string{s.Variable, s.Flag, s.Default, s.Help} {
			if !strings.Contains(help.String(), part) {
				t.Errorf("help lacks %q of %s", part, s.Variable)
			}
		}
	}
}

// TestOperationsPageListsEverySetting compares the table of the page with the settings, row by row.
func TestOperationsPageListsEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| `"+prefix) {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, s := range settings {
		cell := func(text string) string {
			if text == "" {
				return " "
			}
			return " `" + text + "` "
		}
		variable := "`" + s.Variable + "`"
		if s.Secret {
			variable += ", `…" + fileSuffix + "`"
		}
		name := s.Flag
		if name != "" {
			name = "--" + name
		}
		want = append(want, "| "+variable+" |"+cell(name)+"|"+cell(s.Default)+"| "+s.Help+" |")
	}
	if got, want := strings.Join(rows, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("the page has\n%s\n\nthe settings are\n%s", got, want)
	}
}
