// Package config turns the environment and the flags into one validated Config, and tells every fault at once.
//
// Here: the settings, their defaults, their limits, where a secret may be read from. Not here: what is built from them
// (server/storage and server/app) and the commands of the program (server). Open settings.go first: it is the list that
// the page docs/operations.md shows.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"time"
)

// Secret is a value that no log, no error and no %v shows. Convert it to a string where it is used.
type Secret string

const hidden = "(hidden)"

// String shows that there is a secret, and nothing of it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString does for %#v what String does for %v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText keeps the secret out of JSON and of slog's attributes.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Config is everything that the server is told from outside. Load has checked it: anyone who reads it needs no second
// look.
type Config struct {
	// Data is the directory of the embedded store, the blobs and the keys.
	Data string
	// Listen is host:port of the HTTP server; port 0 lets the system choose.
	Listen string
	// PublicURL is the address that phones and browsers use, without a slash at its end; empty when it was not given
	// and the system chooses the port.
	PublicURL string
	// AppOrigins are the origins of apps in a WebView, whose pages may ask the server with a token: scheme, host and
	// port.
	AppOrigins []string
	// TrustedProxies are addresses and networks whose X-Forwarded-For is believed; sign-in counts failures by the
	// client's address.
	TrustedProxies []string

	MongoDB MongoDB
	S3      S3

	// HorizonDays is after how many days away a phone loads afresh; 0: never.
	HorizonDays int
	// ArchiveDays is how old log entries are whose bodies move into bundles; 0: none do.
	ArchiveDays int

	LogLevel slog.Level
	// LogFormat is "json" or "text".
	LogFormat string

	// RequestTimeout ends a request that is no upload and no event stream.
	RequestTimeout time.Duration
	// AccessTTL is how long an access token is good for.
	AccessTTL time.Duration
	// Devices is how many devices one person may have, CodeTTL how long a one-time code is good with which one is
	// enrolled or a password is set.
	Devices int
	CodeTTL time.Duration
	// UploadMax is the largest image in bytes that a phone may send.
	UploadMax int64
	// Uploads and UploadsUser are how many uploads may send at the same time, in all and of one person.
	Uploads, UploadsUser int
	// BodyMemory and BodyMemoryUser are the bytes of other requests that may be held in memory while they arrive and
	// are worked on, in all and of one person.
	BodyMemory, BodyMemoryUser int64
	// Streams and StreamsUser are how many live event streams may be open, in all and of one person.
	Streams, StreamsUser int
	// Begun and BegunBytes are how many uploads one person may have begun and not finished, and how many bytes of these
	// may be outstanding.
	Begun      int
	BegunBytes int64
	// Kept and KeptBytes are how many operations of one person may lie undecided, and their bytes.
	Kept      int
	KeptBytes int64
	// MetricsToken reads /metrics; empty: nothing does.
	MetricsToken Secret
	// MetricsListen is host:port of a listener that gives the metrics to anyone who reaches it; empty: there is none.
	MetricsListen string
	// Workers is how many photos are examined at the same time.
	Workers int

	// Now is the server's clock; nil: that of the machine. No setting gives it.
	Now func() time.Time `json:"-"`
	// HashKiB is the memory, in KiB, of hashing a password once; 0: what server/accounts has decided. No setting gives
	// it: tests that sign in hundreds of people set it.
	HashKiB uint32 `json:"-"`
}

// Clock is the server's clock.
func (c Config) Clock() func() time.Time {
	if c.Now == nil {
		return time.Now
	}
	return c.Now
}

// MongoDB names the production store; with an empty URI the embedded store in Config.Data is used.
type MongoDB struct {
	URI      Secret // names the servers and may hold a password
	Database string
	// AllowStandIn takes a server that is no replica set. No setting names it: tests and measurements set it.
	AllowStandIn bool
}

// S3 names the blob store; with an empty Endpoint blobs lie in Config.Data.
type S3 struct {
	Endpoint  string // host:port, without a scheme
	AccessKey Secret
	SecretKey Secret
	Bucket    string
	Region    string
	TLS       bool
	// RetentionDays is for how long a new object can not be removed; 0 for no retention.
	RetentionDays int
	// PublicURL is scheme, host and port under which phones reach the store; empty when they do not.
	PublicURL string
	// SealedTTL is how long an address is good at which a phone may put one photo.
	SealedTTL time.Duration
}

// Load reads the flags in args (without the program's name and command) and the variables in environ (in the form of
// os.Environ). A flag wins over its variable; an empty variable counts as not set. The error is flag.ErrHelp when help
// was asked for; else it lists every fault, one a line, with the variable's name and what to do.
func Load(args, environ []string) (Config, error) {
	l := loader{given: map[string]string{}, from: map[string]string{}}
	l.readEnvironment(environ)
	if err := l.readFlags(args); err != nil {
		return Config{}, err
	}
	var cfg Config
	for _, s := range settings {
		text, given := l.given[s.Variable]
		if !given {
			text = s.Default
		}
		if text == "" {
			continue
		}
		if err := s.set(&cfg, text); err != nil {
			l.fault("%s: %v.", l.from[s.Variable], err)
		}
	}
	l.compare()
	if len(l.faults) > 0 {
		return Config{}, l.err()
	}
	if cfg.PublicURL == "" && !strings.HasSuffix(cfg.Listen, ":0") {
		cfg.PublicURL = cfg.LocalURL()
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.NumCPU()
	}
	return cfg, nil
}

// loader gathers what was given, by variable, and every fault on the way.
type loader struct {
	given  map[string]string
	from   map[string]string // the variable or flag that a person has to mend
	faults []string
}

func (l *loader) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *loader) err() error {
	head := "the configuration has a fault"
	if n := len(l.faults); n > 1 {
		head = fmt.Sprintf("the configuration has %d faults", n)
	}
	return errors.New(head + ":\n  " + strings.Join(l.faults, "\n  "))
}

func (l *loader) readEnvironment(environ []string) {
	byFile := map[string]string{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, prefix) || isForeign(name) {
			continue
		}
		base, isFile := strings.CutSuffix(name, fileSuffix)
		s, known := find(base)
		switch {
		case !known || isFile && !s.Secret:
			l.fault("%s: no such setting%s. Correct the name or unset it.", name, suggestion(name))
		case value == "":
		case isFile:
			byFile[base] = value
		default:
			l.given[name], l.from[name] = value, name
		}
	}
	for _, s := range settings { // in the list's order, so that messages do not jump about
		path, ok := byFile[s.Variable]
		if !ok {
			continue
		}
		name := s.Variable + fileSuffix
		if _, both := l.given[s.Variable]; both {
			l.fault("%s: %s is set too. Keep one of them.", name, s.Variable)
			continue
		}
		l.from[s.Variable] = name
		text, err := os.ReadFile(path)
		if err != nil {
			l.fault("%s: the file can not be read: %v. Name a file that the server may read.", name, err)
			l.given[s.Variable] = "" // given, though nothing came of it
			continue
		}
		value := strings.TrimSpace(string(text))
		if value == "" {
			l.fault("%s: the file %s is empty. Write the value into it.", name, path)
		}
		l.given[s.Variable] = value
	}
}

func (l *loader) readFlags(args []string) error {
	flags := flag.NewFlagSet("fieldclue", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller shows the error, with the others
	values := map[string]*string{}
	for _, s := range settings {
		if s.Flag != "" {
			values[s.Flag] = flags.String(s.Flag, s.Default, s.Help)
		}
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		l.fault("%v. See \"fieldclue help\" for the flags.", err)
	} else if flags.NArg() > 0 {
		l.fault("%q is not understood here. Flags begin with --; see \"fieldclue help\".", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		for _, s := range settings {
			if s.Flag == f.Name {
				l.given[s.Variable], l.from[s.Variable] = *values[f.Name], "--"+f.Name
				if l.given[s.Variable] == "" {
					l.fault("--%s: the value is empty. Give one or leave the flag out.", f.Name)
				}
			}
		}
	})
	return nil
}

// compare finds the faults between settings: one that says nothing without another.
func (l *loader) compare() {
	for _, s := range settings {
		if s.needs == "" {
			continue
		}
		_, given := l.given[s.Variable]
		_, ground := l.given[s.needs]
		switch {
		case given && !ground:
			l.fault("%s: it is set, but %s is not. Set %s too, or unset this one.", l.from[s.Variable], s.needs, s.needs)
		case ground && !given && s.required:
			l.fault("%s: it is not set, but %s is. Set it, or unset %s.", s.Variable, s.needs, s.needs)
		}
	}
}

// LocalURL is where a program on this machine finds the server, without a slash at its end. It can be used unless
// Listen has port 0.
func (c Config) LocalURL() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "http://" + c.Listen // not after Load, which has split it before
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// String is one line for the log, without secrets.
func (c Config) String() string {
	store, blobs := "sqlite in "+c.Data, "directory in "+c.Data
	if c.MongoDB.URI != "" {
		store = "mongodb at " + mongoHosts(string(c.MongoDB.URI)) + "/" + c.MongoDB.Database
	}
	if c.S3.Endpoint != "" {
		blobs = fmt.Sprintf("s3 at %s/%s (tls %t, retention %d days)", c.S3.Endpoint, c.S3.Bucket, c.S3.TLS, c.S3.RetentionDays)
		if c.S3.PublicURL != "" {
			blobs += fmt.Sprintf(", sealed puts at %s for %s", c.S3.PublicURL, c.S3.SealedTTL)
		}
	}
	return fmt.Sprintf("data=%s listen=%s public=%s store=%q blobs=%q log=%s/%s request_timeout=%s access_ttl=%s devices=%d code_ttl=%s upload_max=%d uploads=%d/%d body_memory=%d/%d workers=%d horizon_days=%d archive_days=%d",
		c.Data, c.Listen, c.PublicURL, store, blobs, strings.ToLower(c.LogLevel.String()), c.LogFormat,
		c.RequestTimeout, c.AccessTTL, c.Devices, c.CodeTTL, c.UploadMax, c.Uploads, c.UploadsUser, c.BodyMemory, c.BodyMemoryUser, c.Workers, c.HorizonDays, c.ArchiveDays)
}
