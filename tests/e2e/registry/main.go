// A registry of container images for tests: that of the distribution project, keeping images below one folder.
//
//	registry FOLDER
//
// It listens on a free port of the loopback interface and prints the address as its first line.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: registry FOLDER")
	}
	config := &configuration.Configuration{
		Version: "0.1",
		Storage: configuration.Storage{"filesystem": {"rootdirectory": os.Args[1]}},
	}
	config.HTTP.Secret = "of no use to anyone"
	config.Log.Level = "warn"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, handlers.NewApp(context.Background(), config)))
}
