package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"fieldclue/server/store/mongo"
	"fieldclue/sync/synctest/sim"
)

// onMongoDB plays a seed on a database of its own, which is dropped afterwards.
func onMongoDB(ctx context.Context, o sim.Options, uri string, standIn bool) (r sim.Report, err error) {
	client, err := driver.Connect(ctx, options.Client().ApplyURI(uri))
	if err != nil {
		return r, err
	}
	name := fmt.Sprintf("soak_%d_%d", os.Getpid(), o.Seed)
	defer func() {
		last := context.WithoutCancel(ctx)
		err = errors.Join(err, client.Database(name).Drop(last), client.Disconnect(last))
	}()
	o.Alone = standIn // it holds no transaction together, so nobody comes first inside a commit
	o.Open = func(ctx context.Context, _ string) (sim.Store, error) {
		return mongo.Open(ctx, mongo.Options{URI: uri, Database: name, AllowStandIn: standIn})
	}
	return sim.Run(ctx, o)
}
