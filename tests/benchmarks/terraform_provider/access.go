package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// workspace keeps its record in the state alone: the upstream of the tests has no such endpoint.
type workspace struct{ withClient }

type workspaceModel struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
}

func (*workspace) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "portkey_workspace"
}

func (*workspace) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":          computed(),
		"name":        schema.StringAttribute{Required: true},
		"description": schema.StringAttribute{Optional: true},
	}}
}

// asUUID derives a UUID from a slug, as the simulator of the tests does.
func asUUID(slug string) string {
	sum := sha256.Sum256([]byte(slug))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (w *workspace) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var plan workspaceModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	plan.ID = types.StringValue(asUUID("ws-" + strings.ToLower(plan.Name.ValueString())))
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (w *workspace) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {}

func (w *workspace) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var plan workspaceModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (w *workspace) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func fixed() schema.StringAttribute {
	return schema.StringAttribute{
		Required:      true,
		PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
	}
}

func enabled() schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true)}
}

type modelAccess struct{ withClient }

type modelAccessModel struct {
	ID            types.String `tfsdk:"id"`
	IntegrationID types.String `tfsdk:"integration_id"`
	ModelSlug     types.String `tfsdk:"model_slug"`
	Enabled       types.Bool   `tfsdk:"enabled"`
	IsCustom      types.Bool   `tfsdk:"is_custom"`
	IsFinetune    types.Bool   `tfsdk:"is_finetune"`
	BaseModelSlug types.String `tfsdk:"base_model_slug"`
	PricingConfig types.Object `tfsdk:"pricing_config"`
}

var payTypes = map[string]attr.Type{
	"request_token_price":  types.Float64Type,
	"response_token_price": types.Float64Type,
}

var pricingTypes = map[string]attr.Type{
	"type":          types.StringType,
	"pay_as_you_go": types.ObjectType{AttrTypes: payTypes},
}

func (*modelAccess) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "portkey_integration_model_access"
}

func (*modelAccess) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	optional := schema.BoolAttribute{Optional: true, Computed: true}
	price := schema.Float64Attribute{Optional: true}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id": computed(), "integration_id": fixed(), "model_slug": fixed(), "enabled": enabled(),
		"is_custom": optional, "is_finetune": optional,
		"base_model_slug": schema.StringAttribute{Optional: true, Computed: true},
		"pricing_config": schema.SingleNestedAttribute{
			Optional: true,
			Computed: true,
			Attributes: map[string]schema.Attribute{
				"type": schema.StringAttribute{Required: true},
				"pay_as_you_go": schema.SingleNestedAttribute{
					Optional: true,
					Attributes: map[string]schema.Attribute{
						"request_token_price":  price,
						"response_token_price": price,
					},
				},
			},
		},
	}}
}

func number(o object, name string) attr.Value {
	token, _ := o[name].(object)
	if price, ok := token["price"].(float64); ok {
		return types.Float64Value(price)
	}
	return types.Float64Null()
}

func (a *modelAccess) refresh(ctx context.Context, m *modelAccessModel) (bool, error) {
	answer, err := a.client.call(ctx, "GET", "/integrations/"+m.IntegrationID.ValueString()+"/models", nil)
	if err != nil {
		return false, err
	}
	found := entry(answer, "models", "slug", m.ModelSlug.ValueString())
	if found == nil {
		return false, nil
	}
	m.ID = types.StringValue(m.IntegrationID.ValueString() + "/" + m.ModelSlug.ValueString())
	m.Enabled = types.BoolValue(flag(found, "enabled"))
	m.IsCustom = types.BoolValue(flag(found, "is_custom"))
	m.IsFinetune = types.BoolValue(flag(found, "is_finetune"))
	m.BaseModelSlug = types.StringNull()
	if text(found, "base_model_slug") != "" {
		m.BaseModelSlug = types.StringValue(text(found, "base_model_slug"))
	}
	m.PricingConfig = types.ObjectNull(pricingTypes)
	if pricing, ok := found["pricing_config"].(object); ok {
		pay := types.ObjectNull(payTypes)
		if usage, ok := pricing["pay_as_you_go"].(object); ok {
			pay = types.ObjectValueMust(payTypes, map[string]attr.Value{
				"request_token_price":  number(usage, "request_token"),
				"response_token_price": number(usage, "response_token"),
			})
		}
		m.PricingConfig = types.ObjectValueMust(pricingTypes, map[string]attr.Value{
			"type":          types.StringValue(text(pricing, "type")),
			"pay_as_you_go": pay,
		})
	}
	return true, nil
}

func (a *modelAccess) put(ctx context.Context, m *modelAccessModel) error {
	sent := object{"slug": m.ModelSlug.ValueString(), "enabled": m.Enabled.ValueBool()}
	if m.IsCustom.ValueBool() {
		sent["is_custom"] = true
	}
	if m.IsFinetune.ValueBool() {
		sent["is_finetune"] = true
	}
	if m.BaseModelSlug.ValueString() != "" {
		sent["base_model_slug"] = m.BaseModelSlug.ValueString()
	}
	if !m.PricingConfig.IsNull() && !m.PricingConfig.IsUnknown() {
		usage := object{}
		pay, _ := m.PricingConfig.Attributes()["pay_as_you_go"].(types.Object)
		for _, name := range []string{"request_token", "response_token"} {
			if price, ok := pay.Attributes()[name+"_price"].(types.Float64); ok && !price.IsNull() {
				usage[name] = object{"price": price.ValueFloat64()}
			}
		}
		sent["pricing_config"] = object{"type": "static", "pay_as_you_go": usage}
	}
	path := "/integrations/" + m.IntegrationID.ValueString() + "/models"
	_, err := a.client.call(ctx, "PUT", path, object{"models": []any{sent}})
	if err == nil {
		_, err = a.refresh(ctx, m)
	}
	return err
}

func (a *modelAccess) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var plan modelAccessModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	if err := a.put(ctx, &plan); err != nil {
		r.Diagnostics.AddError("Error creating model access", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (a *modelAccess) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var state modelAccessModel
	r.Diagnostics.Append(q.State.Get(ctx, &state)...)
	there, err := a.refresh(ctx, &state)
	if err != nil {
		r.Diagnostics.AddError("Error reading model access", err.Error())
	} else if !there {
		r.State.RemoveResource(ctx)
	} else {
		r.Diagnostics.Append(r.State.Set(ctx, state)...)
	}
}

func (a *modelAccess) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var plan modelAccessModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	if err := a.put(ctx, &plan); err != nil {
		r.Diagnostics.AddError("Error updating model access", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (a *modelAccess) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

type workspaceAccess struct{ withClient }

type workspaceAccessModel struct {
	ID            types.String `tfsdk:"id"`
	IntegrationID types.String `tfsdk:"integration_id"`
	WorkspaceID   types.String `tfsdk:"workspace_id"`
	Enabled       types.Bool   `tfsdk:"enabled"`
	UsageLimits   types.List   `tfsdk:"usage_limits"`
	RateLimits    types.List   `tfsdk:"rate_limits"`
}

type usageLimit struct {
	Type  *string `tfsdk:"type" json:"type,omitempty"`
	Limit *int64  `tfsdk:"credit_limit" json:"credit_limit,omitempty"`
	Alert *int64  `tfsdk:"alert_threshold" json:"alert_threshold,omitempty"`
	Reset *string `tfsdk:"periodic_reset" json:"periodic_reset,omitempty"`
}

type rateLimit struct {
	Type  string `tfsdk:"type" json:"type"`
	Unit  string `tfsdk:"unit" json:"unit"`
	Value int64  `tfsdk:"value" json:"value"`
}

func (*workspaceAccess) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "portkey_integration_workspace_access"
}

func (*workspaceAccess) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	word, count := schema.StringAttribute{Required: true}, schema.Int64Attribute{Optional: true}
	usage := map[string]schema.Attribute{
		"type":            word,
		"credit_limit":    count,
		"alert_threshold": count,
		"periodic_reset":  schema.StringAttribute{Optional: true},
	}
	rate := map[string]schema.Attribute{
		"type":  word,
		"unit":  word,
		"value": schema.Int64Attribute{Required: true},
	}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id": computed(), "integration_id": fixed(), "workspace_id": fixed(), "enabled": enabled(),
		"usage_limits": limits(usage), "rate_limits": limits(rate),
	}}
}

func limits(members map[string]schema.Attribute) schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Optional:     true,
		NestedObject: schema.NestedAttributeObject{Attributes: members},
	}
}

func (a *workspaceAccess) put(ctx context.Context, m *workspaceAccessModel) error {
	sent := object{"id": m.WorkspaceID.ValueString(), "enabled": m.Enabled.ValueBool()}
	var usage []usageLimit
	var rates []rateLimit
	m.UsageLimits.ElementsAs(ctx, &usage, false)
	m.RateLimits.ElementsAs(ctx, &rates, false)
	if usage != nil {
		sent["usage_limits"] = usage
	}
	if rates != nil {
		sent["rate_limits"] = rates
	}
	path := "/integrations/" + m.IntegrationID.ValueString() + "/workspaces"
	_, err := a.client.call(ctx, "PUT", path, object{"workspaces": []any{sent}})
	if err == nil {
		_, err = a.client.call(ctx, "GET", path, nil)
	}
	m.ID = types.StringValue(m.IntegrationID.ValueString() + "/" + m.WorkspaceID.ValueString())
	return err
}

func (a *workspaceAccess) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var plan workspaceAccessModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	if err := a.put(ctx, &plan); err != nil {
		r.Diagnostics.AddError("Error creating workspace access", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (a *workspaceAccess) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var state workspaceAccessModel
	r.Diagnostics.Append(q.State.Get(ctx, &state)...)
	path := "/integrations/" + state.IntegrationID.ValueString() + "/workspaces"
	answer, err := a.client.call(ctx, "GET", path, nil)
	if err != nil {
		r.Diagnostics.AddError("Error reading workspace access", err.Error())
		return
	}
	entries, _ := answer["workspaces"].([]any)
	for _, item := range entries {
		found, _ := item.(object)
		// The API reports the slug of a workspace that the configuration names by its UUID.
		id, wanted := text(found, "id"), state.WorkspaceID.ValueString()
		if id == wanted || asUUID(id) == wanted {
			state.Enabled = types.BoolValue(flag(found, "enabled"))
			r.Diagnostics.Append(r.State.Set(ctx, state)...)
			return
		}
	}
	r.State.RemoveResource(ctx)
}

func (a *workspaceAccess) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var plan workspaceAccessModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	if err := a.put(ctx, &plan); err != nil {
		r.Diagnostics.AddError("Error updating workspace access", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (a *workspaceAccess) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
