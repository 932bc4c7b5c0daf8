package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fieldclue/server/store/mongo"
	"fieldclue/server/store/mongotest"
	"fieldclue/sync/synctest/sim"
)

// onMongoDB plays a seed on a database of its own, which is dropped afterwards.
func onMongoDB(ctx context.Context, o sim.Options, uri string, standIn bool) (r sim.Report, err error) {
	name := fmt.Sprintf("soak_%d_%d", os.Getpid(), o.Seed)
	defer func() { err = errors.Join(err, mongotest.Drop(context.WithoutCancel(ctx), uri, name)) }()
	o.Alone = standIn // it holds no transaction together, so nobody comes first inside a commit
	o.Open = func(ctx context.Context, _ string) (sim.Store, error) {
		return mongo.Open(ctx, mongo.Options{URI: uri, Database: name, AllowStandIn: standIn})
	}
	return sim.Run(ctx, o)
}
