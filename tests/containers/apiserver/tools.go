//go:build tools

// Names the programs that tests/containers/test_kubernetes.py builds, so that go.mod requires them.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
