// Reads Kubernetes manifests strictly into the published types of the API: an unknown, repeated or
// ill-typed field is an error. A folder is built by Kustomize first. Names each object that it accepted.
// With `build FOLDER` it only prints what Kustomize makes of it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
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
	case "networking.k8s.io/v1/NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "policy/v1/PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "monitoring.coreos.com/v1/PodMonitor":
		return &podMonitor{}
	}
	return nil
}

// What our PodMonitor uses of the operator's type: its module would bring the whole operator.
type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

func read(name string) ([]byte, error) {
	if about, err := os.Stat(name); err != nil || !about.IsDir() {
		return os.ReadFile(name)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), name)
	if err != nil {
		return nil, err
	}
	return built.AsYaml()
}

func check(name string) error {
	text, err := read(name)
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

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "build" {
		text, err := read(os.Args[2])
		if err != nil {
			fail(os.Args[2], err)
		}
		os.Stdout.Write(text)
		return
	}
	for _, name := range os.Args[1:] {
		if err := check(name); err != nil {
			fail(name, err)
		}
	}
}
