// Command dial sends one dial request to a gateway and prints its answer.
//
//	go run ./examples/dial 127.0.0.1:50051 my-campaign +12025550123
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"time"

	dialgateway "github.com/dial-gateway/dial-gateway/clients/go"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: dial GATEWAY CAMPAIGN PHONE_NUMBER")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := dial(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Print(err)
	}
}

func dial(ctx context.Context, gateway, campaign, phoneNumber string) error {
	client, err := dialgateway.New(gateway)
	if err != nil {
		return err
	}
	defer client.Close()
	requests := []dialgateway.Request{{
		ClientToken: dialgateway.NewClientToken(), // store it before you send it
		PhoneNumber: phoneNumber,
		ExpiresAt:   time.Now().Add(10 * time.Minute),
		Attributes:  map[string]string{"first_name": "Ava"},
	}}
	for result, err := range client.Dial(ctx, campaign, slices.Values(requests)) {
		if err != nil {
			return err
		}
		fmt.Println(result)
	}
	return nil
}
