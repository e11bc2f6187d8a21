// External Secrets' controller for `make bench-peers`, as its own main starts it, with one difference: its fake
// provider keeps one map for each store, which concurrent reconciles write at the same time, and Go ends the
// process for that. Here each client has a provider of its own, which reads the store's values anyway.
package main

import (
	"context"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	"github.com/external-secrets/external-secrets/cmd/controller"
	"github.com/external-secrets/external-secrets/pkg/provider/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type provider struct{ fake.Provider }

func (*provider) NewClient(
	ctx context.Context, store esv1.GenericStore, kube client.Client, namespace string,
) (esv1.SecretsClient, error) {
	return new(fake.Provider).NewClient(ctx, store, kube, namespace)
}

func main() {
	spec := &esv1.SecretStoreProvider{Fake: &esv1.FakeProvider{}}
	esv1.ForceRegister(&provider{}, spec, esv1.MaintenanceStatusNotMaintained)
	controller.Execute()
}
