// Reads Kubernetes manifests strictly into the published types of the API: an unknown, repeated or
// ill-typed field is an error. Names each object that it accepted.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"
)

func typed(kind string) any {
	switch kind {
	case "apps/v1/Deployment":
		return &appsv1.Deployment{}
	case "apps/v1/StatefulSet":
		return &appsv1.StatefulSet{}
	case "v1/Service":
		return &corev1.Service{}
	case "v1/ConfigMap":
		return &corev1.ConfigMap{}
	}
	return nil
}

func check(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for decoder := goyaml.NewDecoder(bytes.NewReader(text)); ; {
		var any map[string]interface{}
		if err := decoder.Decode(&any); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		document, err := goyaml.Marshal(any)
		if err != nil {
			return err
		}
		asJSON, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return err
		}
		kind := fmt.Sprintf("%v/%v", any["apiVersion"], any["kind"])
		object := typed(kind)
		if object == nil {
			return fmt.Errorf("%s is not known here", kind)
		}
		strict, err := json.UnmarshalStrict(asJSON, object)
		if err := errors.Join(append(strict, err)...); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		fmt.Println(name, kind)
	}
}

func main() {
	for _, name := range os.Args[1:] {
		if err := check(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}
