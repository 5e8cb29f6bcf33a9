//! Requests do not grow with the number of subnets and endpoints, only with that of pages.

use super::*;

const CROWD: usize = 2000;
const OTHERS: usize = 500;

/// What one look at the VPC costs: `DescribeVpcs` and two of `DescribeVpcAttribute`; for the 2,002 subnets three pages of
/// `DescribeSubnets` (1,000 on each); for their 201 route tables three of `DescribeRouteTables` (100 on each); and one each of
/// `DescribeSecurityGroups`, `DescribeVpcEndpoints` (500 are half a page), `DescribeVpcEndpointServices` and
/// `DescribeInstances`.
const LOOK: usize = 3 + 3 + 3 + 4;
/// Who the caller is.
const CALLER: usize = 1;
/// `DescribeVpcEndpoints` while six new endpoints become available.
const WAIT: usize = 2;
/// A security group, its rule, six endpoints, and tags for 2,002 subnets, 500 in each request.
const CHANGES: usize = 1 + 1 + 6 + 5;

/// How many requests to STS and EC2 were sent.
fn requests(lab: &Lab) -> usize {
    lab.control().get::<Vec<Value>>("/aws/requests").unwrap().len()
}

#[test]
fn a_vpc_with_thousands_of_subnets_costs_few_requests() {
    let lab = own_lab();
    reset(&lab);
    aws(&lab, "crowd", &json!({"subnets": CROWD, "endpoints": OTHERS}));
    let described = ec2(&lab, &json!({"Action": "DescribeSubnets"}));
    let ids = described.split("<subnetId>").skip(1).filter_map(|rest| rest.split('<').next());
    let crowd: Vec<_> = ids.filter(|id| id.starts_with("subnet-0c")).collect();
    assert_eq!(crowd.len(), CROWD);
    aws(&lab, "eks", &json!({"node_groups": {"all": crowd}}));

    forget_requests(&lab);
    let planned = plan(&lab, 0, &[]);
    assert_eq!(requests(&lab), CALLER + LOOK);
    assert_eq!(planned["subnets"].as_array().unwrap().len(), CROWD + 2);
    assert_eq!(changes(&planned), [("create", CAST_AI.to_vec())].into());

    forget_requests(&lab);
    run(&lab, 0, &CREATE, &[]);
    assert_eq!(requests(&lab), CALLER + 2 * LOOK + WAIT + CHANGES);
    assert_private(&lab, &ALL);
    forget_requests(&lab);
    run(&lab, 0, &CREATE, &[]);
    assert_eq!(requests(&lab), CALLER + LOOK);
    run(&lab, 0, &DELETE, &[]);
    assert_eq!(endpoints(&lab).len(), OTHERS);
    assert!(!ec2(&lab, &json!({"Action": "DescribeSubnets"})).contains("cast.ai/routable"));
}
