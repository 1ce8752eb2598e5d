// A gRPC server with the health service of google.golang.org/grpc/health, for tests.
//
//	grpc-health --port P|--socket PATH [--cert PEM --key PEM] [--none] [NAME=STATUS...]
//
// It prints "ready" once it listens on 127.0.0.1 or at the path. A line NAME=STATUS on its input changes a status,
// its end ends the server. --none: without the health service.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func set(server *health.Server, word string) {
	name, status, _ := strings.Cut(word, "=")
	number, known := healthpb.HealthCheckResponse_ServingStatus_value[status]
	if !known {
		log.Fatalf("%q is no status", status)
	}
	server.SetServingStatus(name, healthpb.HealthCheckResponse_ServingStatus(number))
}

func main() {
	port := flag.Int("port", 0, "")
	socket := flag.String("socket", "", "")
	cert := flag.String("cert", "", "")
	key := flag.String("key", "", "")
	none := flag.Bool("none", false, "")
	flag.Parse()

	var options []grpc.ServerOption
	if *cert != "" {
		creds, err := credentials.NewServerTLSFromFile(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, grpc.Creds(creds))
	}
	server := grpc.NewServer(options...)
	states := health.NewServer()
	for _, word := range flag.Args() {
		set(states, word)
	}
	if !*none {
		healthpb.RegisterHealthServer(server, states)
	}
	network, address := "tcp", fmt.Sprintf("127.0.0.1:%d", *port)
	if *socket != "" {
		network, address = "unix", *socket
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if err := server.Serve(listener); err != nil {
			log.Fatal(err)
		}
	}()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		set(states, lines.Text())
		fmt.Println("set")
	}
}
