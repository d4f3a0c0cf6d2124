// Command watchdog keeps a program that answers HTTP requests, and passes requests on to it.
//
// It stands in for OpenFaaS's of-watchdog in its mode "http", of which no published Go module can be had. It reads
// the same variables, listens where that one does, adds the same header, and passes on lines and signals alike.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func duration(name string) time.Duration {
	value, err := time.ParseDuration(setting(name, "10s"))
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	return value
}

// keep starts the function and ends when it does.
func keep(words []string) *exec.Cmd {
	command := exec.Command(words[0], words[1:]...)
	out, err := command.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		log.Fatalf("cannot start the function: %v", err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if setting("prefix_logs", "true") == "true" {
				log.Printf("stdout: %s", lines.Text())
			} else {
				fmt.Println(lines.Text())
			}
		}
		if err := command.Wait(); err != nil {
			log.Fatalf("the function has ended: %v", err)
		}
		os.Exit(0)
	}()
	return command
}

func forward(client *http.Client, upstream string, limit time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		took := func() string { return fmt.Sprintf("%f", time.Since(started).Seconds()) }
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, r.Method, upstream+r.RequestURI, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		request.Header = r.Header.Clone()
		request.Host = r.Host
		response, err := client.Do(request)
		if err != nil {
			w.Header().Set("X-Duration-Seconds", took())
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer response.Body.Close()
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.Header().Set("X-Duration-Seconds", took())
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	}
}

func main() {
	words := strings.Split(os.Getenv("fprocess"), " ")
	if os.Getenv("mode") != "http" || words[0] == "" || os.Getenv("upstream_url") == "" {
		log.Fatal("mode=http, fprocess and upstream_url must be set")
	}
	function := keep(words)
	health := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	http.HandleFunc("/_/health", health)
	http.HandleFunc("/_/ready", health)
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 100, MaxIdleConnsPerHost: 100}}
	http.HandleFunc("/", forward(client, os.Getenv("upstream_url"), duration("exec_timeout")))
	server := &http.Server{
		Addr:         ":" + setting("port", "8080"),
		ReadTimeout:  duration("read_timeout"),
		WriteTimeout: duration("write_timeout"),
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		function.Process.Signal(syscall.SIGTERM)
		time.Sleep(duration("healthcheck_interval"))
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	select {} // keep's end is the end
}
