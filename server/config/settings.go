package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	prefix     = "FIELDCLUE_"
	fileSuffix = "_FILE"
)

// setting is one thing that can be configured, as help and documentation show it.
type setting struct {
	Variable string // environment variable
	Flag     string // name of the flag, empty when there is none
	Default  string // as it would be written; empty for none
	Secret   bool   // may be given as a file named in Variable + "_FILE"
	Help     string // one sentence, with the unit

	needs    string // the variable without which this one says nothing
	required bool   // must be given when the needed one is
	set      func(*Config, string) error
}

const (
	mongoURI   = prefix + "MONGODB_URI"
	s3Endpoint = prefix + "S3_ENDPOINT"
	s3Public   = prefix + "S3_PUBLIC_URL"
)

var settings = []setting{
	{
		Variable: prefix + "DATA", Flag: "data", Default: "./data",
		Help: "Directory of the embedded store, the photos and the server's keys; made when missing.",
		set:  func(c *Config, text string) error { c.Data = text; return nil },
	},
	{
		Variable: prefix + "LISTEN", Flag: "listen", Default: "127.0.0.1:8080",
		Help: "Host and port of the HTTP server; port 0 takes a free one, an empty host every interface.",
		set:  setListen,
	},
	{
		Variable: prefix + "PUBLIC_URL", Flag: "public-url",
		Help: "Address under which phones and browsers reach the server; without it the listening address.",
		set:  setPublicURL,
	},
	{
		Variable: prefix + "APP_ORIGINS",
		Help:     "Origins of apps in a WebView (https://localhost, capacitor://localhost), separated by commas, whose pages may ask the server with a token; without them none may.",
		set:      setAppOrigins,
	},
	{
		Variable: prefix + "TRUSTED_PROXIES",
		Help:     "Addresses or networks (10.0.0.0/8), separated by commas, whose X-Forwarded-For names the client; without them nobody's does.",
		set:      setTrustedProxies,
	},
	{
		Variable: mongoURI, Secret: true,
		Help: "Connection string of a MongoDB replica set (4.0 or newer); without it the embedded SQLite store is used.",
		set:  setMongoURI,
	},
	{
		Variable: prefix + "MONGODB_DATABASE", Default: "fieldclue", needs: mongoURI,
		Help: "Name of the database in MongoDB.",
		set:  setMongoDatabase,
	},
	{
		Variable: s3Endpoint,
		Help:     "Host and port of MinIO, or another S3 store with object lock; without it photos lie in the data directory.",
		set:      setEndpoint,
	},
	{
		Variable: prefix + "S3_ACCESS_KEY", Secret: true, needs: s3Endpoint, required: true,
		Help: "Access key of the blob store.",
		set:  func(c *Config, text string) error { c.S3.AccessKey = Secret(text); return nil },
	},
	{
		Variable: prefix + "S3_SECRET_KEY", Secret: true, needs: s3Endpoint, required: true,
		Help: "Secret key of the blob store.",
		set:  func(c *Config, text string) error { c.S3.SecretKey = Secret(text); return nil },
	},
	{
		Variable: prefix + "S3_BUCKET", Default: "fieldclue", needs: s3Endpoint,
		Help: "Bucket of the originals; made with object lock and versioning when missing.",
		set:  setBucket,
	},
	{
		Variable: prefix + "S3_REGION", needs: s3Endpoint,
		Help: "Region of the bucket; without it the store's own.",
		set:  func(c *Config, text string) error { c.S3.Region = text; return nil },
	},
	{
		Variable: prefix + "S3_TLS", Default: "false", needs: s3Endpoint,
		Help: "true to speak HTTPS with the blob store.",
		set:  setTLS,
	},
	{
		Variable: prefix + "S3_RETENTION_DAYS", Default: "0", needs: s3Endpoint,
		Help: "Days for which a new original can not be removed by anyone without special rights; 0 for none.",
		set:  func(c *Config, text string) error { return setInt(&c.S3.RetentionDays, text, 0, 36500) },
	},
	{
		Variable: s3Public, needs: s3Endpoint,
		Help: "Address under which phones reach the blob store, to put photos there themselves over good links; without it none do.",
		set:  setS3PublicURL,
	},
	{
		Variable: prefix + "S3_SEALED_TTL", Default: "15m", needs: s3Public,
		Help: "How long an address is good at which a phone may put one photo.",
		set: func(c *Config, text string) error {
			return setDuration(&c.S3.SealedTTL, text, time.Minute, 24*time.Hour)
		},
	},
	{
		Variable: prefix + "HORIZON_DAYS", Default: "400",
		Help: "Days after which a phone that was away loads its scopes afresh, with its outbox kept; 0 for never.",
		set:  func(c *Config, text string) error { return setInt(&c.HorizonDays, text, 0, 36500) },
	},
	{
		Variable: prefix + "ARCHIVE_DAYS", Default: "0",
		Help: "Days after which the bodies of log entries move into bundles beside the originals; 0 for never.",
		set:  func(c *Config, text string) error { return setInt(&c.ArchiveDays, text, 0, 36500) },
	},
	{
		Variable: prefix + "LOG_LEVEL", Flag: "log-level", Default: "info",
		Help: "Least level that is logged: debug, info, warn or error.",
		set:  setLogLevel,
	},
	{
		Variable: prefix + "LOG_FORMAT", Flag: "log-format", Default: "json",
		Help: "Form of the log: json or text.",
		set:  setLogFormat,
	},
	{
		Variable: prefix + "REQUEST_TIMEOUT", Default: "30s",
		Help: "Longest time for one request; uploads and event streams have limits of their own.",
		set: func(c *Config, text string) error {
			return setDuration(&c.RequestTimeout, text, time.Second, 10*time.Minute)
		},
	},
	{
		Variable: prefix + "ACCESS_TTL", Default: "15m",
		Help: "How long an access token is good for.",
		set:  func(c *Config, text string) error { return setDuration(&c.AccessTTL, text, time.Minute, time.Hour) },
	},
	{
		Variable: prefix + "DEVICES", Default: "5",
		Help: "Devices that one person may have enrolled.",
		set:  func(c *Config, text string) error { return setInt(&c.Devices, text, 1, 1000) },
	},
	{
		Variable: prefix + "CODE_TTL", Default: "72h",
		Help: "How long a one-time code is good that enrols a device or sets a password.",
		set:  func(c *Config, text string) error { return setDuration(&c.CodeTTL, text, time.Minute, 30*24*time.Hour) },
	},
	{
		Variable: prefix + "UPLOAD_MAX", Default: "64MiB",
		Help: "Largest image that a phone may send, in bytes or with KiB, MiB or GiB; a recording may have 2 GiB.",
		set:  func(c *Config, text string) error { return setSize(&c.UploadMax, text, 1<<20, 4<<30) },
	},
	{
		Variable: prefix + "UPLOADS", Default: "500",
		Help: "Uploads that may send at the same time; the next ones are told to come again.",
		set:  func(c *Config, text string) error { return setInt(&c.Uploads, text, 1, 100_000) },
	},
	{
		Variable: prefix + "UPLOADS_USER", Default: "16",
		Help: "Uploads of one person that may send at the same time; a phone needs 3.",
		set:  func(c *Config, text string) error { return setInt(&c.UploadsUser, text, 3, 100_000) },
	},
	{
		Variable: prefix + "BODY_MEMORY", Default: "128MiB",
		Help: "Memory for the bodies of other requests while they arrive and are worked on, in bytes or with KiB, MiB or GiB.",
		set:  func(c *Config, text string) error { return setSize(&c.BodyMemory, text, 4<<20, 64<<30) },
	},
	{
		Variable: prefix + "BODY_MEMORY_USER", Default: "8MiB",
		Help: "The same for one person.",
		set:  func(c *Config, text string) error { return setSize(&c.BodyMemoryUser, text, 3<<20, 64<<30) },
	},
	{
		Variable: prefix + "STREAMS", Default: "20000",
		Help: "Live event streams that may be open; a phone that finds no room asks at intervals.",
		set:  func(c *Config, text string) error { return setInt(&c.Streams, text, 1, 1_000_000) },
	},
	{
		Variable: prefix + "STREAMS_USER", Default: "8",
		Help: "Live event streams of one person; each device needs one.",
		set:  func(c *Config, text string) error { return setInt(&c.StreamsUser, text, 1, 1_000_000) },
	},
	{
		Variable: prefix + "BEGUN_USER", Default: "200",
		Help: "Uploads that one person may have begun and not finished.",
		set:  func(c *Config, text string) error { return setInt(&c.Begun, text, 3, 1_000_000) },
	},
	{
		Variable: prefix + "BEGUN_BYTES_USER", Default: "16GiB",
		Help: "Bytes that may be outstanding of these.",
		set:  func(c *Config, text string) error { return setSize(&c.BegunBytes, text, 64<<20, 1<<50) },
	},
	{
		Variable: prefix + "KEPT_USER", Default: "2000",
		Help: "Operations of one person that may be kept and not decided; further batches that would be kept stay on the phone.",
		set:  func(c *Config, text string) error { return setInt(&c.Kept, text, 1, 1_000_000) },
	},
	{
		Variable: prefix + "KEPT_BYTES_USER", Default: "32MiB",
		Help: "Bytes of these.",
		set:  func(c *Config, text string) error { return setSize(&c.KeptBytes, text, 1<<20, 64<<30) },
	},
	{
		Variable: prefix + "METRICS_TOKEN", Secret: true,
		Help: "Token of at least 16 characters with which /metrics is read; without it there is no /metrics beside the API.",
		set:  setMetricsToken,
	},
	{
		Variable: prefix + "METRICS_LISTEN",
		Help:     "Host and port of a listener of its own that gives /metrics to anyone who reaches it; without it there is none.",
		set:      setMetricsListen,
	},
	{
		Variable: prefix + "WORKERS", Default: "0",
		Help: "Photos that are examined at the same time; 0 for one per processor.",
		set:  func(c *Config, text string) error { return setInt(&c.Workers, text, 0, 256) },
	},
}

// WriteHelp lists the settings with their defaults, for "fieldclue help".
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Settings, by variable or flag; a flag wins. Each (secret) may be given as a file\nnamed in its variable with " + fileSuffix + " at the end.\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "\n  %s", s.Variable)
		if s.Flag != "" {
			fmt.Fprintf(&b, "  --%s", s.Flag)
		}
		if s.Secret {
			b.WriteString("  (secret)")
		}
		if s.Default != "" {
			fmt.Fprintf(&b, "  [%s]", s.Default)
		}
		fmt.Fprintf(&b, "\n      %s\n", s.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// foreign are the variables of this prefix that other parts of the repository read: the tests, the CI run, the
// benchmarks and docker-compose.yml.
var foreign = []string{
	prefix + "TEST_", prefix + "BENCH_", prefix + "TOOLS", prefix + "NODE_MODULES", prefix + "REQUIRE_ENGINES",
	prefix + "COMPOSE_", prefix + "MONGODB_IMAGE", prefix + "MINIO_IMAGE",
}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(f string) bool {
		return name == f || strings.HasSuffix(f, "_") && strings.HasPrefix(name, f)
	})
}

func find(variable string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.Variable == variable })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// suggestion is " (did you mean …?)" for a name that is nearly right.
func suggestion(name string) string {
	best, distance := "", 4 // four letters off is another word
	consider := func(candidate string) {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	for _, s := range settings {
		consider(s.Variable)
		if s.Secret {
			consider(s.Variable + fileSuffix)
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// editDistance counts the letters to add, drop or replace between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func setListen(c *Config, text string) error { return setAddress(&c.Listen, text, "8080") }

func setMetricsListen(c *Config, text string) error {
	return setAddress(&c.MetricsListen, text, "9090")
}

func setAddress(to *string, text, example string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port, 0) || strings.ContainsAny(host, "/@ ") {
		return fmt.Errorf("%q is no host and port. Write it like 127.0.0.1:%s or [::1]:%s", text, example, example)
	}
	*to = text
	return nil
}

func setMetricsToken(c *Config, text string) error {
	if len(text) < 16 || strings.ContainsAny(text, " \t\r\n") {
		return errors.New("it is too short, or has spaces. Write at least 16 random letters and digits, as \"openssl rand -hex 24\" makes them")
	}
	c.MetricsToken = Secret(text)
	return nil
}

func isPort(text string, least int) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && int(n) >= least
}

func setPublicURL(c *Config, text string) error {
	if webAddress(text) == nil {
		return fmt.Errorf("%q is no web address. Write it like https://fieldclue.example.org, without user, query and fragment", redactURL(text))
	}
	c.PublicURL = strings.TrimRight(text, "/")
	return nil
}

func setS3PublicURL(c *Config, text string) error {
	if u := webAddress(text); u == nil || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%q is no address of a blob store. Write it like https://photos.example.org, without user, path, query and fragment", redactURL(text))
	}
	c.S3.PublicURL = strings.TrimRight(text, "/")
	return nil
}

// webAddress reads an address without user, query and fragment; nil when it is none.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	return u
}

func setAppOrigins(c *Config, text string) error {
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		if u, err := url.Parse(one); err != nil || u.Scheme == "" || u.Host == "" || one != strings.ToLower(u.Scheme+"://"+u.Host) || strings.Contains(u.Host, "*") {
			return fmt.Errorf("%q is no origin. Write them as https://localhost or capacitor://localhost, without a path and in lower case, separated by commas", redactURL(one))
		}
		c.AppOrigins = append(c.AppOrigins, one)
	}
	return nil
}

func setTrustedProxies(c *Config, text string) error {
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		if _, _, err := net.ParseCIDR(one); err != nil && net.ParseIP(one) == nil {
			return fmt.Errorf("%q is neither an address nor a network. Write them as 10.0.0.7 or 10.0.0.0/8, separated by commas", one)
		}
		c.TrustedProxies = append(c.TrustedProxies, one)
	}
	return nil
}

// redactURL leaves out what stands before an @, which may be a password.
func redactURL(text string) string {
	if at := strings.LastIndex(text, "@"); at >= 0 {
		return hidden + text[at:]
	}
	return text
}

func setMongoURI(c *Config, text string) error {
	if mongoHosts(text) == "" {
		return errors.New("it is no MongoDB connection string. Write it like mongodb://user:password@host:27017/?replicaSet=rs0; in user and password percent-encode : / ? # [ ] @")
	}
	c.MongoDB.URI = Secret(text)
	return nil
}

// mongoHosts is the part of a connection string that may be shown; empty when the string has none. net/url does not
// read lists of hosts.
func mongoHosts(uri string) string {
	rest, ok := strings.CutPrefix(uri, "mongodb://")
	if !ok {
		if rest, ok = strings.CutPrefix(uri, "mongodb+srv://"); !ok {
			return ""
		}
	}
	rest, _, _ = strings.Cut(rest, "?")
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Count(authority, "@") > 1 {
		return ""
	}
	if at := strings.Index(authority, "@"); at >= 0 {
		authority = authority[at+1:]
	}
	for host := range strings.SplitSeq(authority, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil {
			name, port = host, "27017"
		}
		if name == "" || strings.ContainsAny(name, " @") || !isPort(port, 1) {
			return ""
		}
	}
	return authority
}

func setMongoDatabase(c *Config, text string) error {
	if len(text) > 63 || strings.ContainsAny(text, "/\\. \"$*<>:|?\x00") {
		return fmt.Errorf("%q can not name a database. Use letters, digits, - and _, 63 bytes at most", text)
	}
	c.MongoDB.Database = text
	return nil
}

func setEndpoint(c *Config, text string) error {
	if strings.Contains(text, "://") {
		return fmt.Errorf("%q has a scheme. Write host and port alone, and say %sS3_TLS=true for https", redactURL(text), prefix)
	}
	name, port, err := net.SplitHostPort(text)
	if err != nil {
		name, port = text, "443"
	}
	if name == "" || strings.ContainsAny(name, "/@ ?#:") && net.ParseIP(name) == nil || !isPort(port, 1) {
		return fmt.Errorf("%q is no host and port. Write it like minio:9000", redactURL(text))
	}
	c.S3.Endpoint = text
	return nil
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func setBucket(c *Config, text string) error {
	if !bucketName.MatchString(text) || strings.Contains(text, "..") || net.ParseIP(text) != nil {
		return fmt.Errorf("%q can not name a bucket. Use 3 to 63 lower-case letters, digits and hyphens", text)
	}
	c.S3.Bucket = text
	return nil
}

func setTLS(c *Config, text string) error {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false. Write one of them", text)
	}
	c.S3.TLS = on
	return nil
}

func setLogLevel(c *Config, text string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[strings.ToLower(text)]
	if !ok {
		return fmt.Errorf("%q is no level. Choose debug, info, warn or error", text)
	}
	c.LogLevel = level
	return nil
}

func setLogFormat(c *Config, text string) error {
	if text != "json" && text != "text" {
		return fmt.Errorf("%q is no form of log. Choose json or text", text)
	}
	c.LogFormat = text
	return nil
}

func setInt(to *int, text string, low, high int) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return fmt.Errorf("%q is no whole number from %d to %d. Write one", text, low, high)
	}
	*to = n
	return nil
}

func setDuration(to *time.Duration, text string, low, high time.Duration) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < low || d > high {
		return fmt.Errorf("%q is no time from %s to %s. Write it like 30s or 15m", text, short(low), short(high))
	}
	*to = d
	return nil
}

// short writes 1m0s as 1m and 1h0m0s as 1h.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func setSize(to *int64, text string, low, high int64) error {
	units := []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}
	for _, unit := range units {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > high/unit.bytes || n*unit.bytes < low {
			break
		}
		*to = n * unit.bytes
		return nil
	}
	return fmt.Errorf("%q is no size from %dMiB to %dMiB. Write bytes, or a number with KiB, MiB or GiB", text, low>>20, high>>20)
}
