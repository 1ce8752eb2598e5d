// Lints Dockerfiles with the rules of BuildKit, without a daemon and without pulling what they build
// on. Prints each offence; exit 1 when there is one.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

// An image that could be any.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers"}}`)
	return ref, digest.FromBytes(config), config, nil
}

var _ llb.ImageMetaResolver = anyImage{}

func main() {
	status := 0
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err == nil {
			source := llb.NewSourceMap(nil, name, "Dockerfile", text)
			source.Definition = &llb.Definition{}
			results, failed := dockerfile2llb.DockerfileLint(context.Background(), text,
				dockerfile2llb.ConvertOpt{
					MetaResolver: anyImage{},
					SourceMap:    source,
				})
			err = failed
			if results != nil {
				for _, w := range results.Warnings {
					fmt.Printf("%s: %s: %s\n", name, w.RuleName, w.Detail)
					status = 1
				}
				if results.Error != nil {
					fmt.Printf("%s: %s\n", name, results.Error.Message)
					status = 1
				}
			}
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			status = 1
		}
	}
	os.Exit(status)
}
