package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Node is a record in a graph. Of one that the reader may not see only the id and the kind are told, which the link
// that leads to it says anyway.
type Node struct {
	ID      field.RecordID `json:"id"`
	Kind    field.Kind     `json:"kind"`
	Visible bool           `json:"visible"`
	Scope   field.Scope    `json:"scope,omitempty"`
	State   field.State    `json:"state,omitempty"`
	Label   string         `json:"label,omitempty"`
}

// Edge leads from one node to another. A link of evidence has its id; the others follow from the fields of records.
type Edge struct {
	From     field.RecordID `json:"from"`
	To       field.RecordID `json:"to"`
	Relation string         `json:"relation"` // supports, contradicts, identifies; evidence, report, finding, clue, merged
	LinkID   field.RecordID `json:"linkId,omitempty"`
	State    field.State    `json:"state,omitempty"` // of the link
	Why      string         `json:"why,omitempty"`
}

// Graph is a clue and what hangs together with it.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
	Cut   bool   `json:"cut"` // there is more than the graph shows
}

// mostLinks is how many links of a clue a graph shows.
const mostLinks = 500

// ClueGraph gives the clue, its links with their targets, the evidence of its findings, the reports that photos,
// interviews and findings belong to, and the other clues that the reader sees and that rest on the same targets.
func (f *Flow) ClueGraph(ctx context.Context, who *access.Actor, id field.ClueID) (*Graph, error) {
	clue, err := f.readFiled(ctx, who, field.RecordID(id), field.FiledClue)
	if err != nil {
		return nil, err
	}
	links, whole, err := f.all(ctx, who, store.Query{Scope: clue.Scope, Kinds: field.FiledAs(field.FiledLink)}, mostLinks)
	if err != nil {
		return nil, err
	}
	g := &grapher{flow: f, who: who, nodes: map[field.RecordID]Node{}, cut: !whole}
	g.see(clue)
	var targets []field.RecordID
	for _, l := range links {
		target := field.RecordID(l.Text("targetId"))
		targets = append(targets, target)
		g.hint(target, field.Kind(l.Text("targetKind")))
		g.edges = append(g.edges, linkEdge(l))
	}
	if into := field.RecordID(clue.Text("mergedInto")); into != "" {
		targets = append(targets, into)
		g.hint(into, clue.Kind)
		g.edges = append(g.edges, Edge{From: clue.ID, To: into, Relation: "merged"})
	}
	if err := g.follow(ctx, distinct(targets)); err != nil {
		return nil, err
	}
	if err := g.otherClues(ctx, clue, distinct(targets)); err != nil {
		return nil, err
	}
	return g.graph(), nil
}

type grapher struct {
	flow  *Flow
	who   *access.Actor
	nodes map[field.RecordID]Node
	edges []Edge
	cut   bool
}

func linkEdge(l *field.Record) Edge {
	return Edge{
		From: field.RecordID(l.Text("clueId")), To: field.RecordID(l.Text("targetId")), Relation: l.Text("relation"),
		LinkID: l.ID, State: l.State, Why: l.Text("why"),
	}
}

func (g *grapher) see(r *field.Record) {
	g.nodes[r.ID] = Node{ID: r.ID, Kind: r.Kind, Visible: true, Scope: r.Scope, State: r.State, Label: label(r)}
}

func (g *grapher) hint(id field.RecordID, kind field.Kind) {
	if _, ok := g.nodes[id]; !ok {
		g.nodes[id] = Node{ID: id, Kind: kind}
	}
}

// follow loads the records and what they refer to.
func (g *grapher) follow(ctx context.Context, ids []field.RecordID) error {
	for range 3 { // finding -> photo -> report, and no further
		records, err := g.flow.readMany(ctx, g.who, ids)
		if err != nil {
			return err
		}
		var next []field.RecordID
		refer := func(from *field.Record, to field.RecordID, kind field.Kind, relation string) {
			if to == "" {
				return
			}
			e := Edge{From: from.ID, To: to, Relation: relation}
			if !slices.Contains(g.edges, e) {
				g.edges = append(g.edges, e)
			}
			if _, seen := g.nodes[to]; !seen {
				next = append(next, to)
			}
			g.hint(to, kind)
		}
		for _, id := range ids {
			r := records[id]
			if r == nil {
				continue
			}
			g.see(r)
			if part := field.KindOf(r.Kind).Part; part != "" {
				refer(r, field.RecordID(r.Text(part)), kindIn(r, part), "report")
			}
			for _, e := range field.Named(r) {
				refer(r, e, "", "evidence")
			}
		}
		if ids = distinct(next); len(ids) == 0 {
			return nil
		}
	}
	return nil
}

// kindIn is the kind of record that a field of a record names.
func kindIn(r *field.Record, name string) field.Kind {
	if f := field.KindOf(r.Kind).Named(name); f != nil {
		return f.Of
	}
	return ""
}

// otherClues adds the clues that rest on the same evidence.
func (g *grapher) otherClues(ctx context.Context, clue *field.Record, targets []field.RecordID) error {
	var others []field.RecordID
	for _, t := range targets {
		links, whole, err := g.flow.all(ctx, g.who, store.Query{Kinds: field.FiledAs(field.FiledLink), Keys: where{}.is("targetId", string(t))}, mostLinks)
		if err != nil {
			return err
		}
		g.cut = g.cut || !whole
		for _, l := range links {
			if l.Scope != clue.Scope && field.KindOf(l.Kind).Ties.Stands(l) {
				g.edges = append(g.edges, linkEdge(l))
				others = append(others, field.RecordID(l.Text("clueId")))
			}
		}
	}
	records, err := g.flow.readMany(ctx, g.who, distinct(others))
	if err != nil {
		return err
	}
	for _, r := range records {
		g.see(r)
	}
	return nil
}

func (g *grapher) graph() *Graph {
	out := &Graph{Nodes: make([]Node, 0, len(g.nodes)), Edges: g.edges, Cut: g.cut}
	for _, n := range g.nodes {
		out.Nodes = append(out.Nodes, n)
	}
	slices.SortFunc(out.Nodes, func(a, b Node) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	if out.Edges == nil {
		out.Edges = []Edge{}
	}
	return out
}
