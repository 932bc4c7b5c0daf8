// Package fieldclue_test holds the repository to its shape: who may import whom. The table says why; docs/decisions has
// the longer story.
package fieldclue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "fieldclue/"

// A fence stands around some packages (or around one import) and says what may not cross it. A pattern names a package;
// with /... those below it too. Our own packages are written without the module's name.
type fence struct {
	why string

	around []string // the packages that the fence is about; empty for all
	except []string // packages inside to which it does not apply

	// Of these, one is given.
	ours    []string // of our own packages these alone may be imported; not nil
	without []string // these may not be imported
	stdOnly bool     // nothing but the standard library and our own packages
	besides []string // with stdOnly: what else may be imported

	tests bool // the fence holds for test files too
}

var fences = []fence{
	{
		why:    "how JSON is read and written has nothing to do with what it says",
		around: []string{"sync/exactjson"}, ours: []string{}, tests: true,
	},
	{
		why:    "the nouns know nobody but how their values are written: everything else is built on them",
		around: []string{"server/field"}, ours: []string{"sync/exactjson"}, tests: true,
	},
	{
		why:    "the rules of access and data quality are about nouns alone",
		around: []string{"server/access", "server/checks"}, ours: []string{"server/field"}, tests: true,
	},
	{
		why:    "what goes over the wire and into the log is made of nouns, actors and the log's shape",
		around: []string{"sync/protocol"}, ours: []string{"server/field", "server/access", "server/store", "sync/exactjson"},
	},
	{
		why:    "a merge is a function of two texts and their base",
		around: []string{"sync/merge"}, ours: []string{"server/field", "sync/protocol"},
	},
	{
		why:    "the screens are files: what they ask of the server goes through the API like any client's",
		around: []string{"server/web"}, ours: []string{},
	},
	{
		why:    "configuration is text and numbers: what is built from it is the business of server/app",
		around: []string{"server/config"}, ours: []string{},
	},
	{
		why:    "pure packages are tested without a world, and answer the same on a phone",
		around: []string{"server/field", "server/access", "server/checks", "sync/merge"}, stdOnly: true,
		besides: []string{"golang.org/x/text/unicode/norm"}, // tables by the makers of Go, which a phone has too
	},
	{
		why:    "beneath them is one library, by the makers of Go's JSON",
		around: []string{"sync/exactjson"}, stdOnly: true, besides: []string{"github.com/go-json-experiment/json/..."},
	},
	{
		why:     "that library is spoken to in one place",
		except:  []string{"sync/exactjson"},
		without: []string{"github.com/go-json-experiment/json/..."}, tests: true,
	},
	{
		why:    "pure packages do no I/O",
		around: []string{"server/field", "server/access", "server/checks", "sync/merge", "sync/exactjson"},
		without: []string{
			"os/...", "net", "net/http/...", "net/rpc/...", "database/...", "syscall/...", "io/ioutil", "log/...", "plugin", "unsafe",
		},
	},
	{
		why:    "arrows point down: what people do does not know how they are served or where things lie",
		around: []string{"server/workflow/..."},
		without: []string{
			"server/api/...", "server/app", "server", "server/config", "server/store/sqlite", "server/store/mongo",
			"media/blob/dir", "media/blob/minio", "bench/...",
		},
	},
	{
		why:    "sync stands below the actions of people and beside the stores",
		around: []string{"sync/..."}, except: []string{"sync/synctest/soak"},
		without: []string{
			"server/api/...", "server/app", "server", "server/config", "server/workflow/...",
			"server/store/sqlite", "server/store/mongo", "bench/...",
		},
	},
	{
		why:    "a phone knows the server by its public API: what goes over the wire, and how a receipt is checked",
		around: []string{"sync/phone"}, ours: []string{"server/field", "sync/protocol", "media/receipt"},
	},
	{
		why:    "a bad link knows requests and connections, not who sends them",
		around: []string{"sync/badlink"}, stdOnly: true,
	},
	{
		why:     "what plays tests is imported by tests and by the commands that repeat them",
		except:  []string{"sync/synctest/..."},
		without: []string{"sync/synctest/..."},
	},
	{
		why:    "the demo plays through the public API: what it needs of the server is an address",
		around: []string{"server/demo"}, ours: []string{"server/field", "sync/protocol", "sync/badlink", "sync/phone"},
	},
	{
		why:    "media knows bytes, not the actions of people nor the exchange of records",
		around: []string{"media/..."},
		without: []string{
			"server/api", "server/app", "server", "server/config", "server/workflow/...",
			"sync/engine/...", "server/store/sqlite", "server/store/mongo", "bench/...",
		},
	},
	{
		why:    "a store implements; it calls nobody above it",
		around: []string{"server/store/..."},
		without: []string{
			"server/api/...", "server/app", "server", "server/config", "server/workflow/...",
			"sync/engine/...", "media/...", "bench/...",
		},
	},
	{
		why:    "an archive knows entries and blobs, not what the entries say",
		around: []string{"server/archive"}, ours: []string{"server/field", "server/access", "server/store", "media/blob"},
	},
	{
		why:    "the file of a case is made of records, entries and blobs, and is checked without any of them",
		around: []string{"server/casefile"},
		ours: []string{
			"server/field", "server/access", "server/store", "sync/protocol", "sync/anchor", "media/blob", "media/receipt",
		},
	},
	{
		why:    "engines are opened without knowing what is kept in them",
		around: []string{"server/storage"},
		ours: []string{
			"server/config", "server/field", "server/access", "server/archive", "server/store", "server/store/sqlite", "server/store/mongo",
			"media/blob", "media/blob/dir", "media/blob/minio", "sync/engine",
		},
	},
	{
		why:    "what becomes of photos does not know how people sign in and see it, nor how what is stored is looked after",
		around: []string{"server/evidence"},
		without: []string{
			"server/accounts", "server/api/...", "server/app", "server", "server/config", "server/upkeep", "server/workflow/...", "server/casefile", "bench/...",
		},
	},
	{
		why:     "what is stored is looked after beneath the actions of people and how they are served",
		around:  []string{"server/upkeep"},
		without: []string{"server/api/...", "server/app", "server", "server/workflow/...", "server/casefile", "bench/..."},
	},
	{
		why:     "evidence, upkeep and the engines are put together by the program alone",
		except:  []string{"server", "server/app/...", "server/upkeep", "server/evidence", "server/storage/...", "bench/..."},
		without: []string{"server/evidence", "server/upkeep", "server/storage/..."},
	},
	{
		why:    "an index of likenesses knows hashes and who may see them, not what a likeness means",
		around: []string{"server/alike"}, ours: []string{"server/field", "server/access", "server/store"},
	},
	{
		why:    "a count of bytes knows records and whose they are, not how bytes come or who is told",
		around: []string{"server/space"}, ours: []string{"server/field", "server/access", "server/store"},
	},
	{
		why:    "a third store must be a change in one place: only server/storage chooses one; backups are of the embedded one",
		except: []string{"server/storage/...", "server/upkeep", "server/store/...", "bench/...", "sync/synctest/soak"},
		without: []string{
			"server/store/sqlite", "server/store/mongo",
		},
	},
	{
		why:     "only server/storage chooses where blobs lie",
		except:  []string{"server/storage/...", "media/blob/...", "bench/...", "sync/synctest/crash"}, // which looks at what a killed server left
		without: []string{"media/blob/dir", "media/blob/minio"},
	},
	{
		why:     "the driver of MongoDB is spoken to in one place",
		except:  []string{"server/store/mongo", "server/store/mongotest", "bench/..."},
		without: []string{"go.mongodb.org/mongo-driver/..."}, tests: true,
	},
	{
		why:     "the driver of SQLite is spoken to in one place",
		except:  []string{"server/store/sqlite", "bench/..."},
		without: []string{"modernc.org/sqlite/...", "database/sql/..."},
	},
	{
		why:     "and so do tests, but for those that damage what it holds to see it found out",
		except:  []string{"server/store/sqlite", "server/app", "bench/..."},
		without: []string{"modernc.org/sqlite/...", "database/sql/..."}, tests: true,
	},
	{
		why:     "the client of MinIO is spoken to in one place",
		except:  []string{"media/blob/minio", "media/blob/miniotest", "bench/..."},
		without: []string{"github.com/minio/..."}, tests: true,
	},
	{
		why:     "Fiber lends its strings and knows HTTP statuses: both end at the door",
		except:  []string{"server/api/..."},
		without: []string{"github.com/gofiber/...", "github.com/valyala/fasthttp/..."},
	},
	{
		why:     "the program is built by main, by the benchmarks and by tests",
		except:  []string{"server", "server/app/...", "bench/..."},
		without: []string{"server/app"},
	},
}

// listed is one package as "go list -json" tells it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestFences(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages: the fence would prove nothing", len(packages))
	}
	for _, breach := range check(packages, fences) {
		t.Error(breach)
	}
}

// TestFencesStop invents an import across every kind of fence: a fence that lets it through is broken.
func TestFencesStop(t *testing.T) {
	rows := []struct {
		from, to string
		test     bool // the import stands in a test file
		crosses  bool
	}{
		{from: "server/field", to: "server/access", crosses: true},
		{from: "server/field", to: "sync/exactjson"},
		{from: "server/field", to: "sync/protocol", crosses: true},
		{from: "sync/exactjson", to: "server/field", test: true, crosses: true},
		{from: "sync/exactjson", to: "github.com/go-json-experiment/json/jsontext"},
		{from: "server/api", to: "github.com/go-json-experiment/json", test: true, crosses: true},
		{from: "server/field", to: "server/access", test: true, crosses: true},
		{from: "server/field", to: "os", crosses: true},
		{from: "server/field", to: "os", test: true},
		{from: "server/field", to: "net/netip"},
		{from: "server/field", to: "net/http", crosses: true},
		{from: "server/field", to: "github.com/google/uuid", crosses: true},
		{from: "server/field", to: "golang.org/x/text/unicode/norm"},
		{from: "server/field", to: "golang.org/x/text/language", crosses: true},
		{from: "server/access", to: "server/field"},
		{from: "server/access", to: "sync/protocol", crosses: true},
		{from: "server/checks", to: "database/sql", crosses: true},
		{from: "sync/protocol", to: "sync/engine", crosses: true},
		{from: "sync/merge", to: "sync/protocol"},
		{from: "sync/merge", to: "sync/engine", crosses: true},
		{from: "server/config", to: "server/app", crosses: true},
		{from: "server/workflow", to: "server/api/wire", crosses: true},
		{from: "server/workflow", to: "server/store/mongo", crosses: true},
		{from: "server/workflow", to: "server/store/sqlite", test: true},
		{from: "server/workflow", to: "sync/engine"},
		{from: "sync/engine", to: "server/workflow", crosses: true},
		{from: "sync/engine", to: "server/store/sqlite", crosses: true},
		{from: "sync/engine", to: "server/store"},
		{from: "media/intake", to: "server/workflow", crosses: true},
		{from: "media/verify", to: "sync/engine", crosses: true},
		{from: "server/store/sqlite", to: "sync/engine", crosses: true},
		{from: "server/store/sqlite", to: "modernc.org/sqlite"},
		{from: "server/workflow", to: "modernc.org/sqlite", test: true, crosses: true},
		{from: "server/archive", to: "media/blob"},
		{from: "server/archive", to: "media/blob/dir", crosses: true},
		{from: "server/archive", to: "sync/protocol", crosses: true},
		{from: "server/casefile", to: "sync/anchor"},
		{from: "server/casefile", to: "sync/engine", crosses: true},
		{from: "server/casefile", to: "server/workflow", crosses: true},
		{from: "server/api", to: "server/store/mongo", crosses: true},
		{from: "server/app", to: "server/store/mongo", crosses: true},
		{from: "server/storage", to: "server/store/mongo"},
		{from: "server/storage", to: "server/accounts", crosses: true},
		{from: "server/upkeep", to: "server/store/sqlite"},
		{from: "server/upkeep", to: "server/evidence"},
		{from: "server/upkeep", to: "server/api", crosses: true},
		{from: "server/evidence", to: "server/upkeep", crosses: true},
		{from: "server/evidence", to: "server/accounts", crosses: true},
		{from: "server/evidence", to: "server/workflow", crosses: true},
		{from: "server/workflow", to: "server/evidence", crosses: true},
		{from: "server/space", to: "server/accounts", crosses: true},
		{from: "server/app", to: "go.mongodb.org/mongo-driver/mongo", crosses: true},
		{from: "server/store/mongo", to: "go.mongodb.org/mongo-driver/bson"},
		{from: "server/store/storetest", to: "go.mongodb.org/mongo-driver/bson", crosses: true},
		{from: "bench", to: "go.mongodb.org/mongo-driver/bson"},
		{from: "media/intake", to: "media/blob/minio", crosses: true},
		{from: "media/blob", to: "github.com/minio/minio-go/v7", crosses: true},
		{from: "media/blob/minio", to: "github.com/minio/minio-go/v7"},
		{from: "server/api/guard", to: "github.com/valyala/fasthttp"},
		{from: "server/app", to: "github.com/gofiber/fiber/v2", crosses: true},
		{from: "sync/phone", to: "server/app", crosses: true},
		{from: "sync/phone", to: "server/app", test: true},
		{from: "sync/phone", to: "sync/engine", crosses: true},
		{from: "sync/badlink", to: "golang.org/x/net/proxy", crosses: true},
		{from: "server/demo", to: "sync/phone"},
		{from: "server/demo", to: "server/workflow", crosses: true},
		{from: "server/demo", to: "sync/synctest/sim", crosses: true},
		{from: "server", to: "server/app"},
	}
	ours := func(path string) string {
		if strings.HasPrefix(path, "server") || strings.HasPrefix(path, "sync/") ||
			strings.HasPrefix(path, "media/") || strings.HasPrefix(path, "bench") {
			return module + path
		}
		return path
	}
	for _, row := range rows {
		where := ""
		p := listed{ImportPath: ours(row.from)}
		if row.test {
			where, p.XTestImports = " in a test", []string{ours(row.to)}
		} else {
			p.Imports = []string{ours(row.to)}
		}
		t.Run(row.from+" imports "+row.to+where, func(t *testing.T) {
			breaches := check([]listed{p}, fences)
			if got := len(breaches) > 0; got != row.crosses {
				t.Errorf("stopped: %v, want %v (%v)", got, row.crosses, breaches)
			}
		})
	}
}

// check lists every import that crosses a fence, with the fence's reason.
func check(packages []listed, fences []fence) []string {
	var breaches []string
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, f := range fences {
			if len(f.around) > 0 && !matchAny(f.around, from) || matchAny(f.except, from) {
				continue
			}
			imports := p.Imports
			if f.tests {
				imports = slices.Concat(imports, p.TestImports, p.XTestImports)
			}
			for _, path := range imports {
				if path != p.ImportPath && f.stops(path) { // an external test imports its own package
					breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", from, path, f.why))
				}
			}
		}
	}
	return breaches
}

func (f fence) stops(path string) bool {
	name, isOurs := strings.CutPrefix(path, module)
	switch {
	case f.ours != nil:
		return isOurs && !matchAny(f.ours, name)
	case f.stdOnly:
		first, _, _ := strings.Cut(path, "/")
		return !isOurs && strings.Contains(first, ".") && !matchAny(f.besides, path)
	default:
		return matchAny(f.without, name)
	}
}

// matchAny compares with patterns; "a/..." stands for a and all below it.
func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if base, ok := strings.CutSuffix(pattern, "/..."); ok {
			return path == base || strings.HasPrefix(path, base+"/")
		}
		return path == pattern
	})
}

// listPackages asks go list, which with -e also tells what it knows of a package that does not compile: that is the
// business of other checks.
func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
