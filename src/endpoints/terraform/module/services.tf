# Cast AI's endpoint services by region and short name (github.com/castai/privatelink-aws, README).
locals {
  services_of_region = {
    us-east-1 = {
      rest-api        = "com.amazonaws.vpce.us-east-1.vpce-svc-0f648001d494b9a46"
      grpc-pod-pinner = "com.amazonaws.vpce.us-east-1.vpce-svc-05e9e206a737781a7"
      api-grpc        = "com.amazonaws.vpce.us-east-1.vpce-svc-00d55140e30124b2f"
      files           = "com.amazonaws.vpce.us-east-1.vpce-svc-0b611f59ee5494cc3"
      kvisor          = "com.amazonaws.vpce.us-east-1.vpce-svc-03281b4e5730a84b6"
      telemetry       = "com.amazonaws.vpce.us-east-1.vpce-svc-0c00cf3bb0688c735"
    }
    us-east-2 = {
      rest-api        = "com.amazonaws.vpce.us-east-2.vpce-svc-0504dcd21f12037fe"
      grpc-pod-pinner = "com.amazonaws.vpce.us-east-2.vpce-svc-0681d838ee3b5e496"
      api-grpc        = "com.amazonaws.vpce.us-east-2.vpce-svc-0678ed50f02956c7f"
      files           = "com.amazonaws.vpce.us-east-2.vpce-svc-0d1fad36f0230d84c"
      kvisor          = "com.amazonaws.vpce.us-east-2.vpce-svc-0a1da2d5a6fd29f32"
      telemetry       = "com.amazonaws.vpce.us-east-2.vpce-svc-0bbbaa8913160adfb"
    }
    ap-south-1 = {
      rest-api        = "com.amazonaws.vpce.ap-south-1.vpce-svc-07c813d8840493bcf"
      grpc-pod-pinner = "com.amazonaws.vpce.ap-south-1.vpce-svc-028ad7f3e7879c47c"
      api-grpc        = "com.amazonaws.vpce.ap-south-1.vpce-svc-0dd30c956893d640e"
      files           = "com.amazonaws.vpce.ap-south-1.vpce-svc-0c4777e1cc92bf8a8"
      kvisor          = "com.amazonaws.vpce.ap-south-1.vpce-svc-07a5d4fcc4dda21e5"
      telemetry       = "com.amazonaws.vpce.ap-south-1.vpce-svc-035536415724599aa"
    }
    ap-south-2 = {
      rest-api        = "com.amazonaws.vpce.ap-south-2.vpce-svc-0a2a5307bb44fab88"
      grpc-pod-pinner = "com.amazonaws.vpce.ap-south-2.vpce-svc-00d1d87c025531c96"
      api-grpc        = "com.amazonaws.vpce.ap-south-2.vpce-svc-009c9d91819071294"
      files           = "com.amazonaws.vpce.ap-south-2.vpce-svc-05b723b65a7f5a0f9"
      kvisor          = "com.amazonaws.vpce.ap-south-2.vpce-svc-097740fd9404cde49"
      telemetry       = "com.amazonaws.vpce.ap-south-2.vpce-svc-0e31392ceacc29f9d"
    }
  }
}
