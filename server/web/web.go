// Package web holds the screens: pages in plain ES modules and CSS, bundled in memory when the program starts.
//
// desk/ is the desk, a file per screen (main.js is the one to open first; records.js and record.js show every kind,
// panels.js what only some have); lib/ is what screens share: view.js makes elements, client.js asks the server,
// words.js has every word in both languages, kinds.js what the server says of its kinds, form.js and value.js their
// fields to write and to read, keys.js the keyboard, drafts.js what was typed and not sent. style/ has the tokens of
// colours and sizes, and what the screens look like.
// There is no build step and no third-party code: the modules run as they stand, and are bundled because sixty small
// files over HTTP/1.1 take a second on a slow link.
//
// Build is the one to read. The routes and their headers are in server/api/pages.go.
package web

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

//go:embed desk lib style
var files embed.FS

// Asset is a file under a name that has the hash of its content in it, so that it may be kept for ever.
type Asset struct {
	Type string // media type
	Body []byte
}

// Site is every page and every file of theirs.
type Site struct {
	Desk   []byte           // the page of the desk, HTML
	Assets map[string]Asset // by the name behind /assets/
}

// Base is where the files of pages lie.
const Base = "/assets/"

// Build bundles the screens. It fails when a module does not parse or imports what is not there.
func Build() (*Site, error) {
	site := &Site{Assets: map[string]Asset{}}
	script, err := site.bundle("desk/main.js")
	if err != nil {
		return nil, err
	}
	style, err := site.bundle("style/desk.css")
	if err != nil {
		return nil, err
	}
	site.Desk = page("Fieldclue", script, style)
	return site, nil
}

// page is the shell of a page: everything else is made by its script. Without one it says what is needed.
func page(title, script, style string) []byte {
	return fmt.Appendf(nil, `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="%s">
<script type="module" src="%s"></script>
</head>
<body>
<noscript>请启用 JavaScript。 This page needs JavaScript.</noscript>
</body>
</html>
`, title, Base+style, Base+script)
}

// bundle puts a module or a style sheet and what it imports into one file, and gives its name.
func (s *Site) bundle(entry string) (name string, err error) {
	built := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Bundle: true, Outdir: "/", EntryNames: "[name]-[hash]", Format: api.FormatESModule, Target: api.ES2022,
		MinifyWhitespace: true, MinifySyntax: true, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		LogLevel: api.LogLevelSilent, Plugins: []api.Plugin{embedded()},
	})
	for _, m := range built.Errors {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		err = errors.Join(err, fmt.Errorf("screens: %s%s", where, m.Text))
	}
	if err != nil {
		return "", err
	}
	for _, out := range built.OutputFiles {
		name = path.Base(out.Path)
		media := "text/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".css") {
			media = "text/css; charset=utf-8"
		}
		s.Assets[name] = Asset{Type: media, Body: out.Contents}
	}
	return name, nil
}

// embedded lets the bundler read from the program instead of the disk.
func embedded() api.Plugin {
	const space = "embedded"
	return api.Plugin{Name: space, Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			name := path.Clean(a.Path) // the bundler writes ./ before what it also finds on the disk
			if a.Kind != api.ResolveEntryPoint {
				name = path.Join(path.Dir(a.Importer), a.Path)
			}
			return api.OnResolveResult{Path: name, Namespace: space}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: space}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text, err := fs.ReadFile(files, a.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			body, loader := string(text), api.LoaderJS
			if strings.HasSuffix(a.Path, ".css") {
				loader = api.LoaderCSS
			}
			return api.OnLoadResult{Contents: &body, Loader: loader}, nil
		})
	}}
}
